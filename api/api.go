// Package api is the HTTP edge: it implements the generated strict server interface on top of the store, and everything
// around it that the contract promises (authentication, limits, validation, errors, logs). What an operation needs is
// read from the contract itself. The package knows no database and no process: those are its caller's.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/triggers-api/triggers/gen"
	"github.com/triggers-api/triggers/limit"
	"github.com/triggers-api/triggers/store"
)

// Config is what an API needs. Store, Limiter and Logger are required, and so are the bounds.
type Config struct {
	// Store returns the store, or an ErrUnavailable that says why there is none yet.
	Store func() (store.Store, error)
	// TenantByKey are API keys beside those in the store; they have all scopes and never expire.
	TenantByKey map[string]string
	// DisabledTenants are refused, whatever the store says.
	DisabledTenants []string
	// AdminKey is the operator's key; empty for no admin API.
	AdminKey string
	// EraseSoon is told that there is a tenant's data to be erased. It must not block.
	EraseSoon func()
	Limiter   limit.Limiter
	// RateLimitPerMinute is for tenants that have no limit of their own; 0 for no limit.
	RateLimitPerMinute int
	Logger             *slog.Logger
	// Version is what health answers show.
	Version string
	// AllowedOrigins are the web origins that may call the API from a browser; "*" stands for any.
	AllowedOrigins []string
	// MaxPayloadBytes limits the body of one event, MaxBatchBytes that of a batch, both inflated.
	MaxPayloadBytes, MaxBatchBytes int64
	// RequestTimeout bounds all the work for one request.
	RequestTimeout time.Duration
}

// API answers the requests of the contract. It is an http.Handler.
type API struct {
	cfg      Config
	echo     *echo.Echo
	spec     []byte
	callers  *callers
	health   healthCheck
	started  time.Time
	stopping atomic.Bool
}

var _ gen.StrictServerInterface = (*API)(nil)

// New returns an API. It fails when the contract that is built in cannot be read, which is a fault of the build.
func New(cfg Config) (*API, error) {
	spec, err := gen.Contract()
	if err != nil {
		return nil, err
	}
	specJSON, err := spec.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("api: write the contract as JSON: %w", err)
	}
	a := &API{
		cfg: cfg, echo: echo.New(), spec: specJSON, started: time.Now(),
		callers: newCallers(cfg.TenantByKey, cfg.DisabledTenants),
	}
	a.health.check = a.checkStore
	ops := operations(spec)

	a.echo.IPExtractor = echo.ExtractIPDirect() // headers that name another address can be made up
	a.echo.HTTPErrorHandler = writeError
	a.echo.Binder = binder{maxPayload: cfg.MaxPayloadBytes, maxBatch: cfg.MaxBatchBytes}
	a.echo.Use(a.observe, securityHeaders, cors(spec, cfg.AllowedOrigins))

	literal := literalPaths(spec)
	middlewares := map[string][]echo.MiddlewareFunc{}
	for id, op := range ops {
		middlewares[id] = []echo.MiddlewareFunc{a.guard(op, literal)}
	}
	handler := gen.NewStrictHandler(a, []gen.StrictMiddlewareFunc{closeGaps})
	gen.RegisterHandlersWithOptions(a.echo, handler, gen.RegisterHandlersOptions{OperationMiddlewares: middlewares})
	a.echo.GET("/docs/*", serveDocs)
	return a, nil
}

// ServeHTTP implements http.Handler. Where there is GET there is HEAD (RFC 9110, section 9.1).
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead {
		get := *r.WithContext(context.WithValue(r.Context(), headKey{}, true))
		get.Method = http.MethodGet // net/http knows the method it was asked with, and leaves the body out
		r = &get
	}
	a.echo.ServeHTTP(w, r)
}

// Stop makes readiness fail and closes connections after their next answer, so that clients go elsewhere. Requests that
// come all the same are answered.
func (a *API) Stop() { a.stopping.Store(true) }

// guard does what the contract asks for before an operation's handler runs: who is it, may they, is the request sound.
// literal are the methods of paths without parameters.
func (a *API) guard(op *operation, literal map[string]string) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			call := callOf(c.Request().Context())
			call.op = op
			for _, value := range c.ParamValues() {
				if value == "" || strings.Contains(value, "/") {
					return echo.ErrNotFound // Echo's last parameter swallows the rest of the path
				}
			}
			if allow, ok := literal[c.Request().URL.Path]; ok && len(c.ParamValues()) > 0 {
				// Echo takes a path of the contract that lacks this method for an id.
				c.Response().Header().Set(echo.HeaderAllow, allow)
				return echo.ErrMethodNotAllowed
			}
			if op.public {
				return op.answer(c, next)
			}
			if op.admin {
				if err := a.authenticateAdmin(c); err != nil {
					return err
				}
			}
			var err error
			if call.store, err = a.cfg.Store(); err != nil {
				return err
			}
			if op.admin {
				return op.answer(c, next)
			}
			if err := a.authenticate(c, call); err != nil {
				return err
			}
			ctx := c.Request().Context()
			if err := a.draw(ctx, call, op.cost()); err != nil {
				return err
			}
			if err = op.answer(c, next); err != nil {
				a.settle(ctx, call)
			}
			return err
		}
	}
}

// answer hands a sound request to its handler.
func (op *operation) answer(c echo.Context, handler echo.HandlerFunc) error {
	if err := op.checkParameters(c); err != nil {
		return err
	}
	return handler(c)
}

var (
	errNoResponse = errors.New("the handler returned no response")
	errUnguarded  = errors.New("the operation's guard did not run")
)

// closeGaps turns two mistakes that the generated code would let pass into errors: an operation that its guard does not
// stand before, and a handler that returns no answer, which would be sent as 200 with an empty body.
func closeGaps(next gen.StrictHandlerFunc, _ string) gen.StrictHandlerFunc {
	return func(c echo.Context, request any) (any, error) {
		if callOf(c.Request().Context()).op == nil {
			return nil, errUnguarded
		}
		response, err := next(c, request)
		if response == nil && err == nil {
			return nil, errNoResponse
		}
		return response, err
	}
}

// call is what is known of one request while it is being answered.
type call struct {
	requestID string
	header    http.Header // of the answer
	op        *operation  // nil for a route that is not in the contract
	store     store.Store // nil for what needs none
	caller    caller
	cut       bool             // the answer could not be sent whole
	charged   bool             // the rate limit has counted or refused this request
	rejected  map[int]*problem // items of a batch that are not as the contract says, by index
}

type callKey struct{}

// headKey marks a request that was HEAD.
type headKey struct{}

func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}
