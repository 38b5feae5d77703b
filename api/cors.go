package api

import (
	"maps"
	"slices"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

// preflightAge is how long a browser may remember what it was allowed.
const preflightAge = 10 * time.Minute

// cors lets pages of the given origins call every operation of the contract, send every header it knows, and read every
// header it answers with.
func cors(spec *openapi3.T, origins []string) echo.MiddlewareFunc {
	if len(origins) == 0 {
		return func(next echo.HandlerFunc) echo.HandlerFunc { return next }
	}
	methods := map[string]bool{}
	sent := map[string]bool{
		echo.HeaderAuthorization: true, headerAPIKey: true, echo.HeaderContentType: true,
		echo.HeaderContentEncoding: true, echo.HeaderXRequestID: true,
	}
	answered := map[string]bool{echo.HeaderAllow: true}
	for _, item := range spec.Paths.Map() {
		for method, op := range item.Operations() {
			methods[method] = true
			for _, p := range op.Parameters {
				if p.Value.In == openapi3.ParameterInHeader {
					sent[p.Value.Name] = true
				}
			}
			for _, response := range op.Responses.Map() {
				for name := range response.Value.Headers {
					answered[name] = true
				}
			}
		}
	}
	return middleware.CORSWithConfig(middleware.CORSConfig{
		AllowOrigins:  origins,
		AllowMethods:  slices.Sorted(maps.Keys(methods)),
		AllowHeaders:  slices.Sorted(maps.Keys(sent)),
		ExposeHeaders: slices.Sorted(maps.Keys(answered)),
		MaxAge:        int(preflightAge.Seconds()),
	})
}

// securityHeaders go on every answer: nothing here is to be cached, sniffed or framed.
func securityHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h[echo.HeaderXContentTypeOptions] = noSniff
		h[echo.HeaderCacheControl] = noStore
		return next(c)
	}
}

var (
	noSniff = []string{"nosniff"}
	noStore = []string{"no-store"}
)
