package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/triggers-api/triggers/gen"
)

// checking is a transport that fails the test when an answer is not as openapi.yaml says.
type checking struct {
	t    *testing.T
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (c checking) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := c.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	if err := conforms(request, response, body); err != nil {
		c.t.Errorf("%s %s: the answer is not as the contract says: %v\n%d %s", request.Method, request.URL.Path, err, response.StatusCode, body)
	}
	return response, nil
}

type contract struct {
	router routers.Router
	envel  *openapi3.Schema
}

var loadContract = sync.OnceValues(func() (contract, error) {
	doc, err := gen.Contract()
	if err != nil {
		return contract{}, err
	}
	doc.Servers = nil // match paths on any host
	openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.FileBodyDecoder)
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", openapi3filter.FileBodyDecoder)
	router, err := legacy.NewRouter(doc)
	return contract{router: router, envel: doc.Components.Schemas["Error"].Value}, err
})

func conforms(request *http.Request, response *http.Response, body []byte) error {
	c, err := loadContract()
	if err != nil {
		return err
	}
	if response.Header.Get("X-Request-ID") == "" {
		return errors.New("no X-Request-ID")
	}
	if request.Method == http.MethodOptions || request.Method == http.MethodHead {
		return nil // HTTP's own business, not the contract's
	}
	route, _, err := c.router.FindRoute(request)
	unknown := bytes.Contains(body, []byte(`"NOT_FOUND"`)) || bytes.Contains(body, []byte(`"METHOD_NOT_ALLOWED"`))
	if err != nil || unknown { // the router here takes some for known that are not, such as "//"
		return c.checkUnknown(response, body)
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: request, Route: route},
		Status:                 response.StatusCode, Header: response.Header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	input.SetBodyBytes(body)
	return openapi3filter.ValidateResponse(context.Background(), input)
}

// checkUnknown checks an answer about a path or method that the contract does not have.
func (c contract) checkUnknown(response *http.Response, body []byte) error {
	if response.StatusCode < http.StatusBadRequest {
		return nil // files of the documentation page
	}
	value, err := decodeJSON(body)
	if err != nil {
		return fmt.Errorf("not the error envelope: %w", err)
	}
	return c.envel.VisitJSON(value)
}
