package store

import (
	"errors"
	"fmt"
)

// Errors that every adapter returns, wrapped with its own detail. Test for them with errors.Is. The detail is for
// logs: it may name tables and files, never a payload or a key.
var (
	// ErrNotFound says that the tenant has no such event.
	ErrNotFound = errors.New("not found")
	// ErrDeleted says that the event is deleted, so that the transition asked for is no longer possible.
	ErrDeleted = errors.New("event is deleted")
	// ErrUnavailable says that the engine cannot serve the request right now: full disk, read-only file, lost
	// connection, deadline. Nothing that was answered earlier is affected, and the same call may succeed later. A write
	// that fails so may still have taken effect.
	ErrUnavailable = errors.New("store unavailable")
	// ErrClosed says that the store was closed. It is an ErrUnavailable.
	ErrClosed = fmt.Errorf("%w: closed", ErrUnavailable)
	// ErrMalformedID says that a text is not an id of the kind asked for.
	ErrMalformedID = errors.New("malformed id")
	// ErrMalformedCursor says that a text is not a cursor that this server gave out.
	ErrMalformedCursor = errors.New("malformed cursor")
)
