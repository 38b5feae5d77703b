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

// receiptResponse answers createEvent. It is the server's most frequent answer, and writing it by hand costs a tenth of
// what the generated response does.
type receiptResponse struct {
	id              store.EventID
	replayed, async bool
}

// VisitCreateEventResponse implements gen.CreateEventResponseObject.
func (r receiptResponse) VisitCreateEventResponse(w http.ResponseWriter) error {
	id, status := r.id.String(), http.StatusOK
	h := w.Header()
	h[canonicalEventID] = []string{id}
	if r.replayed {
		h.Set(headerReplayed, "true")
	}
	if r.async {
		status = http.StatusAccepted
		h.Set(headerPreferenceApplied, "respond-async")
	}
	return render(w, status, func(b []byte) []byte {
		b = append(append(b, `{"id":"`...), id...)
		b = appendTime(append(b, `","receivedAt":`...), r.id.Time())
		return append(b, `,"status":"accepted"}`...)
	})
}

// canonicalEventID is X-Event-ID as net/http spells it.
var canonicalEventID = http.CanonicalHeaderKey(headerEventID)

// The generated responses would pass payloads through encoding/json, which drops white space and escapes "<". Payloads
// go out byte for byte as they came, so answers that hold them are put together here.

// eventResponse answers getEvent.
type eventResponse struct{ event store.Event }

// VisitGetEventResponse implements gen.GetEventResponseObject.
func (r eventResponse) VisitGetEventResponse(w http.ResponseWriter) error {
	return render(w, http.StatusOK, func(b []byte) []byte { return appendEvent(b, &r.event) })
}

// pageResponse answers listInbox.
type pageResponse struct{ page store.Page }

// VisitListInboxResponse implements gen.ListInboxResponseObject.
func (r pageResponse) VisitListInboxResponse(w http.ResponseWriter) error {
	return render(w, http.StatusOK, func(b []byte) []byte {
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

var jsonTypes = []string{jsonType}

// maxPooled is how large a buffer may have grown and still be kept for the next answer.
const maxPooled = 1 << 20

var buffers = sync.Pool{New: func() any { return new([]byte) }}

func render(w http.ResponseWriter, status int, fill func([]byte) []byte) error {
	buffer := buffers.Get().(*[]byte) //nolint:forcetypeassert // nothing else is in there
	b := append(fill((*buffer)[:0]), '\n')
	w.Header()[echo.HeaderContentType] = jsonTypes
	w.WriteHeader(status)
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
