package api

import (
	"net/http"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"github.com/triggers-api/triggers/gen"
	"github.com/triggers-api/triggers/store"
)

// The generated responses would pass payloads through encoding/json, which drops white space and escapes "<". Payloads
// go out byte for byte as they came, so answers that hold them are put together here.

// eventResponse answers getEvent.
type eventResponse struct{ event store.Event }

// VisitGetEventResponse implements gen.GetEventResponseObject.
func (r eventResponse) VisitGetEventResponse(w http.ResponseWriter) error {
	return render(w, func(b []byte) []byte { return appendEvent(b, &r.event) })
}

// pageResponse answers listInbox.
type pageResponse struct{ page store.Page }

// VisitListInboxResponse implements gen.ListInboxResponseObject.
func (r pageResponse) VisitListInboxResponse(w http.ResponseWriter) error {
	return render(w, func(b []byte) []byte {
		b = append(b, `{"events":[`...)
		for i := range r.page.Events {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendEvent(b, &r.page.Events[i])
		}
		b = append(b, `],"nextCursor":`...)
		if !r.page.More {
			return append(b, `null}`...)
		}
		last := r.page.Events[len(r.page.Events)-1]
		return append(appendText(b, store.Cursor{ID: last.ID}.String()), '}')
	})
}

// maxPooled is how large a buffer may have grown and still be kept for the next answer.
const maxPooled = 1 << 20

var buffers = sync.Pool{New: func() any { return new([]byte) }}

func render(w http.ResponseWriter, fill func([]byte) []byte) error {
	buffer := buffers.Get().(*[]byte) //nolint:forcetypeassert // nothing else is in there
	b := append(fill((*buffer)[:0]), '\n')
	w.Header().Set(echo.HeaderContentType, jsonType)
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(b)
	if cap(b) <= maxPooled {
		*buffer = b
		buffers.Put(buffer)
	}
	return err
}

// appendEvent writes an event as the contract's schema Event has it.
func appendEvent(b []byte, e *store.Event) []byte {
	b = append(b, `{"id":"`...)
	b = append(b, e.ID.String()...)
	b = appendTime(append(b, `","createdAt":`...), e.CreatedAt())
	b = appendOptional(b, `,"source":`, e.Source)
	b = appendOptional(b, `,"type":`, e.Type)
	b = appendOptional(b, `,"topic":`, e.Topic)
	b = append(b, `,"payload":`...)
	if len(e.Payload) == 0 {
		b = append(b, `{}`...)
	} else {
		b = append(b, e.Payload...)
	}
	b = append(b, `,"status":"`...)
	b = append(b, e.Status...)
	if e.Status == store.Acknowledged {
		b = append(b, `","delivered":true`...)
	} else {
		b = append(b, `","delivered":false`...)
	}
	b = appendOptional(b, `,"idempotencyKey":`, e.IdempotencyKey)
	if !e.AcknowledgedAt.IsZero() {
		b = appendTime(append(b, `,"acknowledgedAt":`...), e.AcknowledgedAt)
	}
	if !e.DeletedAt.IsZero() {
		b = appendTime(append(b, `,"deletedAt":`...), e.DeletedAt)
	}
	return append(b, '}')
}

func appendOptional(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	return appendText(append(b, name...), text)
}

func appendText(b []byte, text string) []byte {
	b, _ = jsontext.AppendQuote(b, text) // fails only for invalid UTF-8, which it replaces; none is stored
	return b
}

func appendTime(b []byte, t time.Time) []byte {
	b, _ = gen.MilliTime{Time: t}.AppendText(append(b, '"')) // never fails
	return append(b, '"')
}
