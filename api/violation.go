package api

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/triggers-api/triggers/gen"
)

// parameterProblem says which parameter breaks which rule of the contract. It never repeats the value.
func parameterProblem(p *openapi3.Parameter, err error) *problem {
	where := p.In + " parameter " + quote(p.Name)
	if p.In == openapi3.ParameterInHeader {
		where = "header " + p.Name
	}
	if violation, ok := errors.AsType[*openapi3.SchemaError](err); ok {
		return invalid(p.Name, where+": "+rule(violation)).because(err)
	}
	if p.Schema != nil && p.Schema.Value.Type != nil {
		return invalid(p.Name, where+": must be "+article(p.Schema.Value.Type.Slice()[0])).because(err)
	}
	return invalid(p.Name, where+": must not be empty").because(err)
}

// bodyProblem says which field of a body breaks which rule of the contract. It never repeats the value.
func bodyProblem(err error) *problem {
	violation, ok := errors.AsType[*openapi3.SchemaError](err)
	if !ok {
		return invalid("", "the body is not as the contract says").because(err)
	}
	field := strings.Join(violation.JSONPointer(), ".")
	if field == "" {
		return invalid("", "the body "+rule(violation)).because(err)
	}
	p := invalid(field, quote(field)+" "+rule(violation)).because(err)
	if field == fieldPayload {
		p.code = gen.INVALIDPAYLOAD
	}
	return p
}

// rule puts the rule that was broken in words.
func rule(violation *openapi3.SchemaError) string { //nolint:cyclop // a case per rule of JSON Schema
	s := violation.Schema
	switch violation.SchemaField {
	case "required":
		return "is required"
	case "type", "nullable":
		return "must be " + article(s.Type.Slice()[0])
	case "minLength":
		if s.MinLength == 1 {
			return "must not be empty"
		}
		return fmt.Sprintf("must have at least %d characters", s.MinLength)
	case "maxLength":
		return fmt.Sprintf("must have at most %d characters", *s.MaxLength)
	case "pattern":
		switch s.Pattern {
		case printableASCII:
			return "must be printable ASCII"
		case visibleASCII, notOnlyDots:
			return `must be visible ASCII without "/", not only dots`
		}
		return "must not contain control characters"
	case "minimum":
		return fmt.Sprintf("must be at least %g", *s.Min)
	case "maximum":
		return fmt.Sprintf("must be at most %g", *s.Max)
	case "minItems":
		return fmt.Sprintf("must have at least %d item", s.MinItems)
	case "uniqueItems":
		return "must not have an item twice"
	case "minProperties":
		return fmt.Sprintf("must have at least %d field", s.MinProps)
	case "maxItems":
		return fmt.Sprintf("must have at most %d items", *s.MaxItems)
	case "enum":
		return "must be one of " + strings.Trim(strings.Join(strings.Fields(fmt.Sprint(s.Enum)), ", "), "[]")
	case "format":
		return timeRule
	case "allOf":
		if inner, ok := errors.AsType[*openapi3.SchemaError](violation.Origin); ok {
			return rule(inner)
		}
	}
	return "is not as the contract says"
}

const timeRule = `must be an RFC 3339 time such as 2025-11-11T00:00:00Z (in a URL, "+" is written %2B)`

// Patterns of the contract: for idempotency keys, and for the ids of tenants.
const (
	printableASCII = "^[ -~]+$"
	visibleASCII   = "^[!-.0-~]+$"
	notOnlyDots    = `^[.]*[!-\-0-~][!-.0-~]*$`
)

func article(kind string) string {
	switch kind {
	case "integer", "array", "object":
		return "an " + kind
	default:
		return "a " + kind
	}
}

// quote shows a name that the client sent.
func quote(name string) string { return strconv.Quote(clip(name)) }

// clip cuts a name that the client sent to a sane length.
func clip(name string) string {
	const most = 64
	n := 0
	for i := range name {
		if n++; n > most {
			return name[:i] + "…"
		}
	}
	return name
}
