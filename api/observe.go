package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/triggers-api/triggers/gen"
	"github.com/triggers-api/triggers/store"
)

// Headers of the contract that Echo has no names for.
const (
	headerAPIKey             = "X-API-Key" //nolint:gosec // a name, no secret
	headerEventID            = "X-Event-ID"
	headerIdempotencyKey     = "Idempotency-Key"
	headerXIdempotencyKey    = "X-Idempotency-Key"
	headerReplayed           = "Idempotency-Replayed"
	headerPrefer             = "Prefer"
	headerPreferenceApplied  = "Preference-Applied"
	headerRateLimit          = "RateLimit"
	headerRateLimitPolicy    = "RateLimit-Policy"
	headerRateLimitLimit     = "X-RateLimit-Limit"
	headerRateLimitRemaining = "X-RateLimit-Remaining"
	headerRateLimitReset     = "X-RateLimit-Reset"
)

// canonicalRequestID is X-Request-ID as net/http spells it.
var canonicalRequestID = http.CanonicalHeaderKey(echo.HeaderXRequestID)

// maxRequestID is the length in bytes up to which a request id of the client's is kept.
const maxRequestID = 128

// observe is around everything else: it names the request, bounds its time, survives a panic, and logs one line.
func (a *API) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		r := c.Request()
		call := &call{requestID: requestID(r), header: c.Response().Header()}
		call.header[canonicalRequestID] = []string{call.requestID}

		if a.stopping.Load() {
			call.header.Set(echo.HeaderConnection, "close")
		}
		// A client that has sent all of its request and closed its half of the connection still wants the answer, and to
		// net/http looks as if it had gone away. So the work is bounded by time alone.
		ctx := context.WithValue(context.WithoutCancel(r.Context()), callKey{}, call)
		ctx, cancel := context.WithTimeout(ctx, a.cfg.RequestTimeout)
		defer cancel()
		c.SetRequest(r.WithContext(ctx))

		err := survive(next, c)
		switch {
		case err != nil && c.Response().Committed:
			call.cut, err = true, nil // the client did not take the whole answer, and there is no other
		case err != nil:
			c.Error(err)
		}
		a.log(c, call, start, err)
		if call.cut {
			panic(http.ErrAbortHandler) // so that the client sees that something is missing
		}
		return nil
	}
}

// panicked is a bug that a handler met; stack says where.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

func survive(next echo.HandlerFunc, c echo.Context) (err error) {
	defer func() {
		switch value := recover(); value {
		case nil:
		case http.ErrAbortHandler:
			panic(value) // the server's own way to drop a connection
		default:
			err = &panicked{value: value, stack: debug.Stack()}
		}
	}()
	return next(c)
}

// requestID keeps the client's id if it is short and plain, so that it cannot forge log lines, and makes one if not.
func requestID(r *http.Request) string {
	id := r.Header.Get(echo.HeaderXRequestID)
	if id == "" || len(id) > maxRequestID {
		return store.NewID("req_")
	}
	for _, b := range []byte(id) {
		plain := b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || strings.IndexByte("-_.:/+=", b) >= 0
		if !plain {
			return store.NewID("req_")
		}
	}
	return id
}

// log writes the request's line. It has neither key nor payload nor query.
func (a *API) log(c echo.Context, call *call, start time.Time, err error) {
	r := c.Request()
	level := slog.LevelInfo
	status := c.Response().Status
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	if !a.cfg.Logger.Enabled(r.Context(), level) {
		return
	}
	end := time.Now()
	attrs := make([]slog.Attr, 0, 12)
	attrs = append(attrs,
		slog.String("timestamp", gen.MilliTime{Time: end}.String()),
		slog.String("requestId", call.requestID),
		slog.String("tenantId", call.caller.tenant.ID),
		slog.String("method", method(r)),
		slog.String("path", path(r)),
		slog.Int("status", status),
		slog.Float64("durationMs", float64(end.Sub(start).Microseconds())/1000),
		slog.Int64("bytes", c.Response().Size),
		slog.String("remote", c.RealIP()),
	)
	if call.op != nil {
		attrs = append(attrs, slog.String("operation", call.op.id))
	}
	if call.cut {
		attrs = append(attrs, slog.Bool("cut", true))
	}
	if err != nil {
		attrs = append(attrs, a.errorAttrs(err, status)...)
	}
	// A Logger would look up its caller for every line, and give the time in a form of its own.
	line := slog.NewRecord(time.Time{}, level, "request", 0)
	line.AddAttrs(attrs...)
	_ = a.cfg.Logger.Handler().Handle(r.Context(), line) // where would a failure to log be logged?
}

// errorAttrs says what went wrong: the code, and for what is the server's fault, or when debugging, why.
func (a *API) errorAttrs(err error, status int) []slog.Attr {
	p := problemOf(err)
	attrs := []slog.Attr{slog.String("code", string(p.code))}
	if p.field != "" && !p.foreign {
		attrs = append(attrs, slog.String("field", p.field))
	}
	if bug, ok := p.cause.(*panicked); ok { //nolint:errorlint // survive returns it unwrapped
		return append(attrs, slog.String("error", bug.Error()), slog.String("stack", string(bug.stack)))
	}
	if status >= http.StatusInternalServerError {
		return append(attrs, slog.String("error", p.Error()))
	}
	if !p.foreign && a.cfg.Logger.Enabled(context.Background(), slog.LevelDebug) {
		attrs = append(attrs, slog.String("message", p.message))
	}
	return attrs
}

func method(r *http.Request) string {
	if r.Context().Value(headKey{}) != nil {
		return http.MethodHead
	}
	return r.Method
}

func path(r *http.Request) string {
	const most = 256
	p := r.URL.EscapedPath()
	return p[:min(len(p), most)]
}
