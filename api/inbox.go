package api

import (
	"context"
	"errors"
	"time"

	"github.com/oapi-codegen/nullable"

	"github.com/triggers-api/triggers/gen"
	"github.com/triggers-api/triggers/store"
)

// maxPageBytes ends a page of the inbox early once its payloads have so many bytes together.
const maxPageBytes = 2 << 20

// ListInbox implements gen.StrictServerInterface.
func (a *API) ListInbox(ctx context.Context, r gen.ListInboxRequestObject) (gen.ListInboxResponseObject, error) {
	call, p := callOf(ctx), r.Params
	params := store.ListParams{
		TenantID: call.caller.tenant.ID,
		Status:   store.Status(*p.Status), Limit: *p.Limit, // the contract has defaults for both
		Source: value(p.Source), Type: value(p.Type), Topic: value(p.Topic),
		MaxBytes: maxPageBytes,
	}
	if p.Since != nil {
		params.Since = *p.Since
	}
	if p.Until != nil {
		params.Until = *p.Until
		if epoch := time.UnixMilli(0); params.Until.Before(epoch) {
			params.Until = epoch // no event is older, and the zero time would mean no bound
		}
	}
	if p.Cursor != nil {
		cursor, err := store.ParseCursor(*p.Cursor)
		if err != nil {
			return nil, err
		}
		params.After = cursor
	}
	page, err := call.store.List(ctx, params)
	if err != nil {
		return nil, err
	}
	return pageResponse{page}, nil
}

// AcknowledgeEvent implements gen.StrictServerInterface.
func (a *API) AcknowledgeEvent(ctx context.Context, r gen.AcknowledgeEventRequestObject) (gen.AcknowledgeEventResponseObject, error) {
	state, err := transition(ctx, r.ID, store.Store.Acknowledge)
	if err != nil {
		return nil, err
	}
	return gen.AcknowledgeEvent200JSONResponse{Body: state}, nil
}

// DeleteEvent implements gen.StrictServerInterface.
func (a *API) DeleteEvent(ctx context.Context, r gen.DeleteEventRequestObject) (gen.DeleteEventResponseObject, error) {
	state, err := transition(ctx, r.ID, store.Store.Delete)
	if err != nil {
		return nil, err
	}
	return gen.DeleteEvent200JSONResponse{Body: state}, nil
}

type transitionFunc func(s store.Store, ctx context.Context, tenantID string, ids []store.EventID) ([]store.Transition, error)

func transition(ctx context.Context, text string, apply transitionFunc) (gen.EventState, error) {
	id, err := store.ParseEventID(text)
	if err != nil {
		return gen.EventState{}, err
	}
	call := callOf(ctx)
	transitions, err := apply(call.store, ctx, call.caller.tenant.ID, []store.EventID{id})
	if err != nil {
		return gen.EventState{}, err
	}
	t := transitions[0]
	switch {
	case errors.Is(t.Err, store.ErrDeleted):
		return gen.EventState{}, eventDeleted(text).because(t.Err)
	case t.Err != nil:
		return gen.EventState{}, t.Err
	}
	return gen.EventState{ID: text, Status: gen.EventStatus(t.Status)}, nil
}

// AcknowledgeEvents implements gen.StrictServerInterface.
func (a *API) AcknowledgeEvents(ctx context.Context, r gen.AcknowledgeEventsRequestObject) (gen.AcknowledgeEventsResponseObject, error) {
	results := make([]gen.AcknowledgementItemResult, len(r.Body.IDs))
	ids := make([]store.EventID, 0, len(results))
	places := make([]int, 0, len(results)) // of the ids in the results
	for i, text := range r.Body.IDs {
		results[i].ID = text
		id, err := store.ParseEventID(text)
		if err != nil {
			fillAcknowledgement(&results[i], err)
			continue
		}
		ids, places = append(ids, id), append(places, i)
	}
	if len(ids) > 0 {
		call := callOf(ctx)
		transitions, err := call.store.Acknowledge(ctx, call.caller.tenant.ID, ids)
		if err != nil {
			return nil, err
		}
		for i, t := range transitions {
			fillAcknowledgement(&results[places[i]], t.Err)
		}
	}
	return gen.AcknowledgeEvents200JSONResponse{Body: gen.AcknowledgementResult{Results: results}}, nil
}

func fillAcknowledgement(result *gen.AcknowledgementItemResult, err error) {
	switch {
	case err == nil:
		result.Status = gen.AcknowledgementItemResultStatusAcknowledged
		result.Error = nullable.NewNullNullable[gen.ItemError]()
	case errors.Is(err, store.ErrDeleted):
		p := eventDeleted(result.ID)
		result.Status = gen.AcknowledgementItemResultStatusDeleted
		result.Error = itemError(p.code, p.message, "")
	default:
		p := eventNotFound()
		result.Status = gen.AcknowledgementItemResultStatusNotFound
		result.Error = itemError(p.code, p.message, "")
	}
}
