package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"github.com/triggers-api/triggers/gen"
)

// binder gives generated handlers their bodies: read once, decoded once, judged by the contract's schemas. It is Echo's
// binder, which the generated code calls.
type binder struct {
	maxPayload, maxBatch int64
}

// Bind implements echo.Binder.
func (b binder) Bind(target any, c echo.Context) error {
	r := c.Request()
	call := callOf(r.Context())
	if call.op == nil {
		return errUnguarded
	}
	schema := call.op.body
	switch target := target.(type) {
	case *gen.CreateEventJSONRequestBody:
		body, err := readBody(r, b.maxPayload)
		if err != nil {
			return err
		}
		return bindEvent(body, schema, target)
	case *gen.CreateEventBatchJSONRequestBody:
		body, err := readBody(r, b.maxBatch)
		if err != nil {
			return err
		}
		call.rejected, err = bindBatch(body, call.op, b.maxPayload, target)
		return err
	case *gen.AcknowledgeEventsJSONRequestBody:
		body, err := readBody(r, maxOtherBody)
		if err != nil {
			return err
		}
		return bindIDs(body, schema, target)
	default:
		body, err := readBody(r, maxOtherBody)
		if err != nil {
			return err
		}
		return bindPlain(body, schema, target)
	}
}

// bindPlain decodes a body that nobody sends in great numbers.
func bindPlain(body []byte, schema *openapi3.Schema, target any) error {
	return decode(body, func(d *decoder) error {
		fields := map[string]any{}
		violation, err := d.members(schema, func(name string) error {
			v, err := d.value()
			if err != nil {
				return err
			}
			var field any
			if err := json.Unmarshal(v, &field); err != nil {
				return badJSON("the body is not valid JSON", err)
			}
			fields[name] = field
			return nil
		})
		if err != nil {
			return err
		}
		if err := judge(schema, fields, violation); err != nil {
			return err
		}
		if err := json.Unmarshal(body, target); err != nil {
			if _, ok := errors.AsType[*time.ParseError](err); ok {
				// The contract's format is checked by a pattern, which lets February 30 pass.
				return invalid("", "a time in the body "+timeRule).because(err)
			}
			return invalid("", "the body is not as the contract says").because(err)
		}
		return nil
	})
}

func bindEvent(body []byte, schema *openapi3.Schema, target *gen.NewEvent) error {
	return decode(body, func(d *decoder) error {
		e, violation, err := d.event(schema)
		if err != nil {
			return err
		}
		if violation != nil {
			return violation
		}
		*target = gen.NewEvent{Source: e.Source, Type: e.Type, Topic: e.Topic, Payload: e.Payload}
		return nil
	})
}

// bindBatch judges each item for itself. Items that are not as the contract says are returned by their index.
func bindBatch(body []byte, op *operation, maxItem int64, target *gen.NewEventBatch) (map[int]*problem, error) {
	rejected := map[int]*problem{}
	list := op.body.Properties[fieldEvents].Value
	item, most := list.Items.Value, *list.MaxItems
	err := decode(body, func(d *decoder) error {
		fields := map[string]any{}
		violation, err := d.members(op.body, func(name string) error {
			items, err := d.array(func(i int) (any, error) {
				if uint64(i) >= most { //nolint:gosec // not negative
					return d.plain() // the batch will be refused; only its length matters
				}
				e, violation, err := d.batchEvent(item, maxItem)
				if violation != nil {
					rejected[i] = violation
				}
				target.Events = append(target.Events, e)
				return anyObject, err
			})
			fields[name] = items
			return err
		})
		if err != nil {
			return err
		}
		return judge(op.outer, fields, violation)
	})
	return rejected, err
}

// batchEvent reads one item of a batch and holds it to its own size limit too.
func (d *decoder) batchEvent(schema *openapi3.Schema, most int64) (gen.NewBatchEvent, *problem, error) {
	before := d.json.InputOffset()
	e, violation, err := d.event(schema)
	if err != nil {
		return e, nil, err
	}
	size := d.json.InputOffset() - before
	if start := bytes.IndexByte(d.body[before:], '{'); start > 0 {
		size -= int64(start) // the comma and white space between the items
	}
	if size > most {
		violation = tooLarge(most)
	}
	return e, violation, nil
}

// withoutItems is the schema with nothing said about the elements of one list, for a list whose elements were judged
// one by one.
func withoutItems(schema *openapi3.Schema, name string) *openapi3.Schema {
	list := *schema.Properties[name].Value
	list.Items = nil
	outer := *schema
	outer.Properties = maps.Clone(schema.Properties)
	outer.Properties[name] = &openapi3.SchemaRef{Value: &list}
	return &outer
}

func bindIDs(body []byte, schema *openapi3.Schema, target *gen.EventIDs) error {
	return decode(body, func(d *decoder) error {
		fields := map[string]any{}
		violation, err := d.members(schema, func(name string) (err error) {
			fields[name], err = d.array(func(int) (any, error) {
				id, err := d.plain()
				text, _ := id.(string)
				target.IDs = append(target.IDs, text)
				return id, err
			})
			return err
		})
		if err != nil {
			return err
		}
		return judge(schema, fields, violation)
	})
}
