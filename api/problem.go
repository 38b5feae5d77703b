package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/triggers-api/triggers/gen"
	"github.com/triggers-api/triggers/store"
)

// retryUnavailable is how many seconds clients are asked to wait while the store is not available.
const retryUnavailable = 2

// problem is an error as clients see it. Message is public; cause is for the log only.
type problem struct {
	status     int
	code       gen.ErrorCode
	message    string
	field      string
	eventID    string
	retryAfter int  // seconds
	foreign    bool // field and message hold a name that the client made up, which may be a secret and is not logged
	cause      error
}

// Error is for the log.
func (p *problem) Error() string {
	if p.cause != nil {
		return p.cause.Error()
	}
	return p.message
}

func (p *problem) Unwrap() error { return p.cause }

func (p *problem) because(err error) *problem {
	p.cause = err
	return p
}

// invalid is a request that is not as the contract says.
func invalid(field, message string) *problem {
	return &problem{status: http.StatusBadRequest, code: gen.INVALIDREQUEST, message: message, field: clip(field)}
}

// unknown is a field or parameter that the contract does not have.
func unknown(kind, name string) *problem {
	p := invalid(name, "unknown "+kind+" "+quote(name))
	p.foreign = true
	return p
}

func eventNotFound() *problem {
	return &problem{status: http.StatusNotFound, code: gen.EVENTNOTFOUND, message: "There is no event with this id."}
}

func eventDeleted(id string) *problem {
	return &problem{
		status: http.StatusConflict, code: gen.EVENTDELETED, eventID: id,
		message: "The event is deleted and cannot be acknowledged.",
	}
}

// problemOf is the one place where an error becomes a status.
func problemOf(err error) *problem {
	var known *problem
	var routing *echo.HTTPError
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrMalformedID):
		return eventNotFound().because(err)
	case errors.Is(err, store.ErrMalformedCursor):
		return invalid("cursor", `query parameter "cursor": must be the nextCursor of an earlier page`).because(err)
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return &problem{
			status: http.StatusServiceUnavailable, code: gen.UNAVAILABLE, retryAfter: retryUnavailable, cause: err,
			message: "The event store is not available right now. Try again in a moment.",
		}
	case errors.As(err, &routing):
		return routingProblem(routing)
	default:
		return &problem{
			status: http.StatusInternalServerError, code: gen.INTERNAL, cause: err,
			message: "The server failed to handle the request. Quote the request id when you report it.",
		}
	}
}

// routingProblem translates what Echo and the generated wrappers return by themselves.
func routingProblem(err *echo.HTTPError) *problem {
	switch err.Code {
	case http.StatusNotFound:
		return &problem{status: err.Code, code: gen.NOTFOUND, cause: err, message: "There is nothing at this path. See /docs."}
	case http.StatusMethodNotAllowed:
		return &problem{status: err.Code, code: gen.METHODNOTALLOWED, cause: err, message: "This path does not have this method. See Allow."}
	case http.StatusBadRequest:
		return invalid("", "the request is malformed").because(err)
	default:
		return &problem{status: http.StatusInternalServerError, code: gen.INTERNAL, cause: err, message: "The server failed to handle the request."}
	}
}

// writeError answers an error in the contract's envelope. It is Echo's error handler.
func writeError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	p := problemOf(err)
	detail := gen.ErrorDetail{Code: p.code, Message: p.message, RequestID: c.Response().Header().Get(echo.HeaderXRequestID)}
	if p.field != "" {
		detail.Field = &p.field
	}
	if p.eventID != "" {
		detail.EventID = &p.eventID
		c.Response().Header().Set(headerEventID, p.eventID)
	}
	if p.retryAfter > 0 {
		detail.RetryAfterSeconds = &p.retryAfter
		c.Response().Header().Set(echo.HeaderRetryAfter, strconv.Itoa(p.retryAfter))
	}
	if allow := c.Response().Header().Get(echo.HeaderAllow); strings.Contains(allow, http.MethodGet) {
		c.Response().Header().Set(echo.HeaderAllow, allow+", "+http.MethodHead)
	}
	if p.status == http.StatusUnauthorized {
		c.Response().Header().Set(echo.HeaderWWWAuthenticate, `Bearer realm="triggers"`)
	}
	// A failure to write means the client is gone; there is nobody left to tell.
	_ = c.JSON(p.status, gen.Error{Error: detail})
}
