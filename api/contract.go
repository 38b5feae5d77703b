package api

import (
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/labstack/echo/v4"

	"github.com/triggers-api/triggers/store"
)

// operation is what the contract says of one operation, looked up once.
type operation struct {
	id      string
	public  bool        // no key needed
	admin   bool        // for the operator alone
	scope   store.Scope // that the key must have; empty for none
	limited bool        // draws on the rate limit
	route   *routers.Route
	params  []*openapi3.Parameter
	query   map[string]bool
	times   []string // query parameters that are moments
	body    *openapi3.Schema
	outer   *openapi3.Schema // body of a batch without its items, which are judged one by one
}

func operations(spec *openapi3.T) map[string]*operation {
	ops := map[string]*operation{}
	for path, item := range spec.Paths.Map() {
		for method, o := range item.Operations() {
			op := &operation{
				id:      o.OperationID,
				public:  o.Security != nil && len(*o.Security) == 0,
				admin:   o.Security != nil && len(*o.Security) > 0,
				scope:   requiredScope(o),
				limited: o.Responses.Status(http.StatusTooManyRequests) != nil,
				route:   &routers.Route{Spec: spec, Path: path, PathItem: item, Method: method, Operation: o},
				query:   map[string]bool{},
			}
			for _, ref := range slices.Concat(item.Parameters, o.Parameters) {
				op.params = append(op.params, ref.Value)
				if ref.Value.In == openapi3.ParameterInQuery {
					op.query[ref.Value.Name] = true
					if ref.Value.Schema.Value.Format == "date-time" {
						op.times = append(op.times, ref.Value.Name)
					}
				}
			}
			if o.RequestBody != nil {
				op.body = o.RequestBody.Value.Content.Get(jsonType).Schema.Value
			}
			if op.id == batchOperation {
				op.outer = withoutItems(op.body, fieldEvents)
			}
			ops[op.id] = op
		}
	}
	return ops
}

// requiredScope is the contract's extension that names the scope which an operation needs.
func requiredScope(o *openapi3.Operation) store.Scope {
	scope, _ := o.Extensions["x-required-scope"].(string)
	return store.Scope(scope)
}

// literalPaths are the paths that have no parameters, with their methods as Allow lists them.
func literalPaths(spec *openapi3.T) map[string]string {
	paths := map[string]string{}
	for path, item := range spec.Paths.Map() {
		if !strings.Contains(path, "{") {
			methods := append(slices.Sorted(maps.Keys(item.Operations())), http.MethodOptions)
			paths[path] = strings.Join(methods, ", ")
		}
	}
	return paths
}

// cost is what a request draws from the rate limit when it comes. A batch costs as much as it has events, which is drawn
// in one piece once they are counted.
func (op *operation) cost() int {
	if op.limited && op.id != batchOperation {
		return 1
	}
	return 0
}

const batchOperation = "createEventBatch"

// checkParameters checks path, query and header parameters against the contract, and sets defaults.
func (op *operation) checkParameters(c echo.Context) error {
	r := c.Request()
	if err := op.checkQuery(r); err != nil {
		return err
	}
	if op.id == batchOperation {
		if err := refuseBatchKey(r.Header); err != nil {
			return err
		}
	}
	var input *openapi3filter.RequestValidationInput
	for _, p := range op.params {
		if p.In == openapi3.ParameterInHeader {
			values := r.Header[textproto.CanonicalMIMEHeaderKey(p.Name)]
			if len(values) == 0 && !p.Required {
				continue
			}
			if err := onlyOne(r.Header, p.Name, values); err != nil {
				return err
			}
		}
		if input == nil {
			input = &openapi3filter.RequestValidationInput{Request: r, Route: op.route, PathParams: pathParams(c)}
		}
		if err := openapi3filter.ValidateParameter(r.Context(), input, p); err != nil {
			return parameterProblem(p, err)
		}
	}
	return nil
}

func (op *operation) checkQuery(r *http.Request) error {
	if r.URL.RawQuery == "" {
		return nil
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return invalid("", "the query of the URL is malformed").because(err)
	}
	for name, values := range query {
		switch {
		case !op.query[name]:
			return unknown("query parameter", name)
		case len(values) > 1:
			return invalid(name, "query parameter "+quote(name)+": is given more than once")
		case values[0] == "":
			return invalid(name, "query parameter "+quote(name)+": must not be empty")
		}
	}
	for _, p := range op.times {
		// The contract's format is checked by a pattern, which lets February 30 pass.
		if text := query.Get(p); text != "" {
			if _, err := time.Parse(time.RFC3339, text); err != nil {
				return invalid(p, "query parameter "+quote(p)+": "+timeRule).because(err)
			}
		}
	}
	return nil
}

// onlyOne refuses a header that is repeated, but for Prefer, which is a list (RFC 9110, section 5.3) and is joined.
func onlyOne(h http.Header, name string, values []string) error {
	switch {
	case len(values) < 2:
		return nil
	case name == headerPrefer:
		h.Set(name, strings.Join(values, ", "))
		return nil
	default:
		return invalid(name, "header "+name+" is given more than once")
	}
}

func pathParams(c echo.Context) map[string]string {
	names, values := c.ParamNames(), c.ParamValues()
	if len(names) == 0 {
		return nil
	}
	params := make(map[string]string, len(names))
	for i, name := range names {
		params[name] = values[i]
	}
	return params
}
