package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/triggers-api/triggers/gen"
)

const (
	fieldPayload = "payload"
	fieldEvents  = "events"
)

// decoder walks through a JSON body once. On the way it checks syntax, takes the values that the contract's schemas
// judge, and passes over payloads without taking them apart: those stay slices of the body.
type decoder struct {
	json jsontext.Decoder
	body []byte
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// decode runs walk over a body that must be one JSON object and nothing else.
func decode(body []byte, walk func(*decoder) error) error {
	if !utf8.Valid(body) {
		return badJSON("the body is not valid UTF-8", nil)
	}
	d := decoders.Get().(*decoder) //nolint:forcetypeassert // nothing else is in there
	defer func() {
		d.body = nil
		d.json.Reset(eof{})
		decoders.Put(d)
	}()
	d.body = body
	// Names are checked where they mean something; a payload may repeat them. Encodings were checked above, but for
	// escapes of half a surrogate pair, which a payload may hold too.
	d.json.Reset(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	switch d.json.PeekKind() {
	case '{':
	case 0:
		_, err := d.json.ReadToken()
		return d.syntaxProblem(err)
	default:
		return invalid("", "the body must be a JSON object")
	}
	if err := walk(d); err != nil {
		return err
	}
	if _, err := d.json.ReadToken(); !errors.Is(err, io.EOF) {
		return badJSON("there is something after the end of the JSON object", err)
	}
	return nil
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

func badJSON(message string, cause error) *problem {
	p := invalid("", message).because(cause)
	p.code = gen.INVALIDJSON
	return p
}

func (d *decoder) syntaxProblem(err error) *problem {
	if len(bytes.TrimSpace(d.body)) == 0 {
		return badJSON("the body is empty", err)
	}
	return badJSON("the body is not valid JSON", err)
}

// value reads the next value as it stands in the body.
func (d *decoder) value() (jsontext.Value, error) {
	v, err := d.json.ReadValue()
	if err != nil {
		return nil, d.syntaxProblem(err)
	}
	// What the decoder returns is good until its next step; the body is good for the whole request.
	end := d.json.InputOffset()
	return d.body[end-int64(len(v)) : end : end], nil
}

// members reads an object. visit reads the value of each member. The first member that schema does not know, or that
// comes twice, is returned as a violation after the whole object was read, so that what follows can still be read.
func (d *decoder) members(schema *openapi3.Schema, visit func(name string) error) (violation *problem, err error) {
	if _, err := d.json.ReadToken(); err != nil { // the opening brace
		return nil, d.syntaxProblem(err)
	}
	var seen [8]string // schemas here have few properties
	names := seen[:0]
	for d.json.PeekKind() != '}' {
		token, err := d.json.ReadToken()
		if err != nil {
			return nil, d.syntaxProblem(err)
		}
		name := token.String()
		repeated := slices.Contains(names, name)
		if schema.Properties[name] == nil || repeated {
			if violation == nil && repeated {
				violation = invalid(name, "field "+quote(name)+" is given more than once")
			} else if violation == nil {
				violation = unknown("field", name)
			}
			if err := d.json.SkipValue(); err != nil {
				return nil, d.syntaxProblem(err)
			}
			continue
		}
		names = append(names, name)
		if err := visit(name); err != nil {
			return nil, err
		}
	}
	if _, err := d.json.ReadToken(); err != nil {
		return nil, d.syntaxProblem(err)
	}
	return violation, nil
}

// badText stands for a string that is no Unicode text: an escape of half a surrogate pair.
const badText = "\x00"

// plain reads a value as schema validation wants it: strings in full, everything else by its kind only, which is all
// that the schemas here can object to.
func (d *decoder) plain() (any, error) {
	v, err := d.value()
	if err != nil {
		return nil, err
	}
	if v.Kind() != '"' {
		return shape(v), nil
	}
	if len(v) > 2 && bytes.IndexByte(v, '\\') < 0 {
		return string(v[1 : len(v)-1]), nil
	}
	text, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return badText, nil //nolint:nilerr // the schemas refuse control characters
	}
	return string(text), nil
}

var (
	anyObject = map[string]any{}
	anyArray  = []any{}
)

// shape is a value of the same kind.
func shape(v jsontext.Value) any {
	switch v.Kind() {
	case '{':
		return anyObject
	case '[':
		return anyArray
	case '"':
		return ""
	case '0':
		return float64(0)
	case 't', 'f':
		return true
	default:
		return nil
	}
}

// event reads an event and judges it by its schema. A violation concerns this event only; an error ends the decoding.
func (d *decoder) event(schema *openapi3.Schema) (e gen.NewBatchEvent, violation *problem, err error) {
	if d.json.PeekKind() != '{' {
		if _, err := d.value(); err != nil {
			return e, nil, err
		}
		return e, invalid("", "the item must be a JSON object"), nil
	}
	fields := make(map[string]any, 5)
	var deep *problem
	violation, err = d.members(schema, func(name string) error {
		if name == fieldPayload {
			v, err := d.value()
			if err != nil {
				return err
			}
			fields[name], e.Payload = shape(v), json.RawMessage(v)
			if tooDeep(v) {
				deep = &problem{
					status: http.StatusBadRequest, code: gen.INVALIDPAYLOAD, field: fieldPayload,
					message: fmt.Sprintf(`"payload" must not be nested deeper than %d levels`, maxDepth),
				}
			}
			return nil
		}
		v, err := d.plain()
		fields[name] = v
		return err
	})
	if err != nil {
		return e, nil, err
	}
	if violation == nil {
		violation = deep
	}
	if err := judge(schema, fields, violation); err != nil {
		return e, problemOf(err), nil
	}
	e.Source, e.Type, e.Topic = text(fields, "source"), text(fields, "type"), text(fields, "topic")
	e.IdempotencyKey = text(fields, "idempotencyKey")
	return e, nil, nil
}

// maxDepth is how deep a payload may be nested. Consumers' parsers give up at some depth, Python's at 1000, and with one
// event of a page they lose all of it.
const maxDepth = 256

// tooDeep tells whether valid JSON is nested deeper than that.
func tooDeep(v jsontext.Value) bool {
	depth, quoted := 0, false
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

func text(fields map[string]any, name string) *string {
	if s, ok := fields[name].(string); ok {
		return &s
	}
	return nil
}

// array reads an array; visit reads each element. Anything else is returned by its shape, for the schema to object to.
func (d *decoder) array(visit func(i int) (any, error)) (any, error) {
	if d.json.PeekKind() != '[' {
		return d.plain()
	}
	if _, err := d.json.ReadToken(); err != nil {
		return nil, d.syntaxProblem(err)
	}
	elements := []any{}
	for d.json.PeekKind() != ']' {
		element, err := visit(len(elements))
		if err != nil {
			return nil, err
		}
		elements = append(elements, element)
	}
	if _, err := d.json.ReadToken(); err != nil {
		return nil, d.syntaxProblem(err)
	}
	return elements, nil
}

// judge returns what is wrong with a body: what was met while reading it, or what its schema objects to.
func judge(schema *openapi3.Schema, fields map[string]any, violation *problem) error {
	if violation != nil {
		return violation
	}
	if err := schema.VisitJSON(fields); err != nil {
		return bodyProblem(err)
	}
	return nil
}
