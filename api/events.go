package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/oapi-codegen/nullable"

	"github.com/triggers-api/triggers/gen"
	"github.com/triggers-api/triggers/store"
)

// CreateEvent implements gen.StrictServerInterface.
func (a *API) CreateEvent(ctx context.Context, r gen.CreateEventRequestObject) (gen.CreateEventResponseObject, error) {
	key, replay, err := idempotencyKey(r.Params)
	if err != nil {
		return nil, err
	}
	event := store.NewEvent{
		Source: value(r.Body.Source), Type: value(r.Body.Type), Topic: value(r.Body.Topic),
		Payload: r.Body.Payload, IdempotencyKey: key,
	}
	call := callOf(ctx)
	receipts, err := call.store.Append(ctx, call.caller.tenant.ID, []store.NewEvent{event})
	if err != nil {
		return nil, err
	}
	receipt := receipts[0]
	if receipt.Outcome != store.Accepted {
		if err := refused(receipt, replay); err != nil {
			return nil, err
		}
	}
	return receiptResponse{
		id: receipt.ID, replayed: receipt.Outcome != store.Accepted, async: prefersAsync(r.Params.Prefer),
	}, nil
}

// refused says no to a key that was used before, unless the request is a retry that may have the first answer again.
func refused(receipt store.Receipt, replay bool) error {
	switch {
	case !replay:
		return &problem{
			status: http.StatusConflict, code: gen.DUPLICATEEVENT, eventID: receipt.ID.String(),
			message: "An event with this idempotency key was already accepted.",
		}
	case receipt.Outcome == store.KeyReused:
		return &problem{
			status: http.StatusUnprocessableEntity, code: gen.IDEMPOTENCYKEYREUSED, eventID: receipt.ID.String(),
			message: keyReusedMessage,
		}
	default:
		return nil
	}
}

const keyReusedMessage = "This idempotency key was used before with another body. Use a new key for a new event."

// CreateEventBatch implements gen.StrictServerInterface.
func (a *API) CreateEventBatch(ctx context.Context, r gen.CreateEventBatchRequestObject) (gen.CreateEventBatchResponseObject, error) {
	call := callOf(ctx)
	if err := a.draw(ctx, call, len(r.Body.Events)); err != nil {
		return nil, err
	}
	results := make([]gen.EventBatchItemResult, len(r.Body.Events))
	events := make([]store.NewEvent, 0, len(results))
	places := make([]int, 0, len(results)) // of the events in the results
	for i, e := range r.Body.Events {
		results[i].Index = i
		if p := call.rejected[i]; p != nil {
			results[i].Status = gen.EventBatchItemResultStatusRejected
			results[i].ID = nullable.NewNullNullable[string]()
			results[i].Error = itemError(p.code, p.message, p.field)
			continue
		}
		places = append(places, i)
		events = append(events, store.NewEvent{
			Source: value(e.Source), Type: value(e.Type), Topic: value(e.Topic),
			Payload: e.Payload, IdempotencyKey: value(e.IdempotencyKey),
		})
	}
	if len(events) > 0 {
		receipts, err := call.store.Append(ctx, call.caller.tenant.ID, events)
		if err != nil {
			return nil, err
		}
		for i, receipt := range receipts {
			fillResult(&results[places[i]], receipt)
		}
	}
	return gen.CreateEventBatch200JSONResponse{Body: gen.EventBatchResult{Results: results}}, nil
}

func fillResult(result *gen.EventBatchItemResult, receipt store.Receipt) {
	result.ID = nullable.NewNullableWithValue(receipt.ID.String())
	result.Error = nullable.NewNullNullable[gen.ItemError]()
	switch receipt.Outcome {
	case store.Accepted:
		result.Status = gen.EventBatchItemResultStatusAccepted
	case store.KeyReused:
		result.Error = itemError(gen.IDEMPOTENCYKEYREUSED, keyReusedMessage, "idempotencyKey")
		fallthrough
	case store.Duplicate:
		result.Status = gen.EventBatchItemResultStatusDuplicate
	default:
		panic(fmt.Sprintf("unknown outcome %d", receipt.Outcome))
	}
}

func itemError(code gen.ErrorCode, message, field string) nullable.Nullable[gen.ItemError] {
	e := gen.ItemError{Code: code, Message: message}
	if field != "" {
		e.Field = &field
	}
	return nullable.NewNullableWithValue(e)
}

// GetEvent implements gen.StrictServerInterface.
func (a *API) GetEvent(ctx context.Context, r gen.GetEventRequestObject) (gen.GetEventResponseObject, error) {
	id, err := store.ParseEventID(r.ID)
	if err != nil {
		return nil, err
	}
	call := callOf(ctx)
	event, err := call.store.Event(ctx, call.caller.tenant.ID, id)
	if err != nil {
		return nil, err
	}
	return eventResponse{event}, nil
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
