package api

import (
	"context"
	"io/fs"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5/static"
	"github.com/swaggest/swgui/v5emb"

	"github.com/triggers-api/triggers/gen"
)

// docs is Swagger UI with all its files built in.
var docs = v5emb.NewHandlerWithConfig(swgui.Config{
	Title:       "Triggers API",
	SwaggerJSON: "/openapi.yaml", // which has its fields and examples in the order they were written
	BasePath:    "/docs",
	SettingsUI: map[string]string{
		"persistAuthorization":   "true",
		"tryItOutEnabled":        "true",
		"displayRequestDuration": "true",
		"displayOperationId":     "true",
	},
})

// docsPolicy lets the page load its own files and talk to its own server, and nothing else. The page's start-up script
// and Swagger UI's styles are inline.
const docsPolicy = "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// serveDocs answers the page's files.
func serveDocs(c echo.Context) error {
	if name := c.Param("*"); name != "" {
		plain, err := fs.Stat(static.FS, name)
		_, zipped := fs.Stat(static.FS, name+".gz")
		if (err != nil || plain.IsDir()) && zipped != nil {
			return echo.ErrNotFound
		}
	}
	c.Response().Header().Set(echo.HeaderContentSecurityPolicy, docsPolicy)
	docs.ServeHTTP(c.Response(), c.Request())
	return nil
}

// GetRoot implements gen.StrictServerInterface.
func (a *API) GetRoot(context.Context, gen.GetRootRequestObject) (gen.GetRootResponseObject, error) {
	return gen.GetRoot307Response{Headers: gen.GetRoot307ResponseHeaders{Location: new("/docs")}}, nil
}

// GetDocs implements gen.StrictServerInterface.
func (a *API) GetDocs(context.Context, gen.GetDocsRequestObject) (gen.GetDocsResponseObject, error) {
	return docsPage{}, nil
}

type docsPage struct{}

// VisitGetDocsResponse implements gen.GetDocsResponseObject.
func (docsPage) VisitGetDocsResponse(w http.ResponseWriter) error {
	w.Header().Set(echo.HeaderContentSecurityPolicy, docsPolicy)
	r, err := http.NewRequest(http.MethodGet, "/docs", http.NoBody) //nolint:noctx // answered from memory
	if err != nil {
		return err
	}
	docs.ServeHTTP(w, r)
	return nil
}

// GetContractYAML implements gen.StrictServerInterface.
func (a *API) GetContractYAML(context.Context, gen.GetContractYAMLRequestObject) (gen.GetContractYAMLResponseObject, error) {
	return contractYAML{}, nil
}

type contractYAML struct{}

// VisitGetContractYAMLResponse implements gen.GetContractYAMLResponseObject.
func (contractYAML) VisitGetContractYAMLResponse(w http.ResponseWriter) error {
	w.Header().Set(echo.HeaderContentType, "application/yaml")
	_, err := w.Write(gen.ContractYAML)
	return err
}

// GetContractJSON implements gen.StrictServerInterface.
func (a *API) GetContractJSON(context.Context, gen.GetContractJSONRequestObject) (gen.GetContractJSONResponseObject, error) {
	return contractJSON(a.spec), nil
}

type contractJSON []byte

// VisitGetContractJSONResponse implements gen.GetContractJSONResponseObject.
func (spec contractJSON) VisitGetContractJSONResponse(w http.ResponseWriter) error {
	w.Header().Set(echo.HeaderContentType, jsonType)
	_, err := w.Write(spec)
	return err
}
