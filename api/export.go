package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/triggers-api/triggers/gen"
	"github.com/triggers-api/triggers/store"
)

// exportPause is how long one page of an export may take to be read from the store, and again to be taken by the client.
// It is shorter than a server that stops waits, so that a client that stalls does not make stopping fail.
const exportPause = 20 * time.Second

// exportPage is how many events or keys are read at once.
const exportPage = 500

var errStopping = errors.New("the server is stopping")

// ExportTenant implements gen.StrictServerInterface.
func (a *API) ExportTenant(ctx context.Context, r gen.ExportTenantRequestObject) (gen.ExportTenantResponseObject, error) {
	s, err := storeFor(ctx, r.TenantID)
	if err != nil {
		return nil, tenantNotFound(err)
	}
	tenant, err := s.Tenant(ctx, r.TenantID)
	if err != nil {
		return nil, tenantNotFound(err)
	}
	// It lasts as long as the client goes on reading, however large it is.
	return export{ctx: context.WithoutCancel(ctx), store: s, tenant: tenant, stopping: a.stopping.Load}, nil
}

// export answers exportTenant, page by page: neither side holds it as a whole.
type export struct {
	ctx      context.Context //nolint:containedctx // the generated interface passes none
	store    store.Store
	tenant   store.Tenant
	stopping func() bool
}

// VisitExportTenantResponse implements gen.ExportTenantResponseObject.
func (e export) VisitExportTenantResponse(w http.ResponseWriter) error {
	w.Header().Set(echo.HeaderContentType, "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	if e.ctx.Value(headKey{}) != nil {
		return nil // nobody would read it
	}
	b, err := appendLine(nil, "tenant", showTenant(&e.tenant))
	if err != nil {
		return err
	}
	if err := e.send(w, b); err != nil {
		return err
	}
	keys, err := e.keys(w)
	if err != nil {
		return err
	}
	events := 0
	// In the order in which an event changes its status, so that none is missed while it does.
	for _, status := range []store.Status{store.Pending, store.Acknowledged, store.Deleted} {
		n, err := e.events(w, status)
		if err != nil {
			return err
		}
		events += n
	}
	return e.send(w, fmt.Appendf(nil, `{"end":{"keys":%d,"events":%d}}`+"\n", keys, events))
}

func (e export) keys(w http.ResponseWriter) (n int, err error) {
	for after := ""; ; {
		ctx, cancel := context.WithTimeout(e.ctx, exportPause)
		keys, err := e.store.Keys(ctx, e.tenant.ID, after, exportPage)
		cancel()
		if err != nil {
			return n, err
		}
		var b []byte
		for i := range keys {
			if b, err = appendLine(b, "key", showKey(&keys[i])); err != nil {
				return n, err
			}
		}
		if err := e.send(w, b); err != nil {
			return n, err
		}
		if n += len(keys); len(keys) < exportPage {
			return n, nil
		}
		after = keys[len(keys)-1].ID
	}
}

func (e export) events(w http.ResponseWriter, status store.Status) (n int, err error) {
	params := store.ListParams{TenantID: e.tenant.ID, Status: status, Limit: exportPage, MaxBytes: maxPageBytes}
	for {
		ctx, cancel := context.WithTimeout(e.ctx, exportPause)
		page, err := e.store.List(ctx, params)
		cancel()
		if err != nil {
			return n, err
		}
		var b []byte
		for i := range page.Events {
			line := len(b)
			b = append(appendEvent(append(b, `{"event":`...), &page.Events[i]), '}')
			oneLine(b[line:])
			b = append(b, '\n')
		}
		if err := e.send(w, b); err != nil {
			return n, err
		}
		if n += len(page.Events); !page.More {
			return n, nil
		}
		params.After = store.Cursor{ID: page.Events[len(page.Events)-1].ID}
	}
}

// send writes lines and waits until they are on their way. A server that stops does not wait for the rest.
func (e export) send(w http.ResponseWriter, lines []byte) error {
	if e.stopping() {
		return errStopping
	}
	control := http.NewResponseController(w)
	if err := control.SetWriteDeadline(time.Now().Add(exportPause)); err != nil {
		return err
	}
	if _, err := w.Write(lines); err != nil {
		return err
	}
	return control.Flush()
}

// oneLine takes the line breaks out of JSON that may be as a client sent it. In JSON they are white space: in strings they
// are escaped.
func oneLine(text []byte) {
	for i, c := range text {
		if c == '\n' || c == '\r' {
			text[i] = ' '
		}
	}
}

func appendLine(b []byte, name string, object any) ([]byte, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return b, fmt.Errorf("api: export a %s: %w", name, err)
	}
	b = fmt.Appendf(b, `{%q:`, name)
	return append(append(b, text...), "}\n"...), nil
}

var _ gen.ExportTenantResponseObject = export{}
