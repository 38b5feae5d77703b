package store

import (
	"errors"
	"fmt"
)

// Errors that every adapter returns, wrapped with its own detail. Test for them with errors.Is. The detail is for
// logs: it may name tables and files, never a payload or a key.
var (
	// ErrNotFound says that there is no such thing, or that it is another tenant's.
	ErrNotFound = errors.New("not found")
	// ErrDeleted says that the event is deleted, so that the transition asked for is no longer possible.
	ErrDeleted = errors.New("event is deleted")
	// ErrUnavailable says that the engine cannot serve the request right now: full disk, read-only file, lost
	// connection, deadline. Nothing that was answered earlier is affected, and the same call may succeed later. A write
	// that fails so may still have taken effect.
	ErrUnavailable = errors.New("store unavailable")
	// ErrClosed says that the store was closed. It is an ErrUnavailable.
	ErrClosed = fmt.Errorf("%w: closed", ErrUnavailable)
	// ErrSchema says that the database has another schema than this program: it is too old, too new, or not there. The
	// detail names the command that mends it. It is an ErrUnavailable.
	ErrSchema = fmt.Errorf("%w: schema", ErrUnavailable)
	// ErrExists says that there is already one with this id.
	ErrExists = errors.New("exists already")
	// ErrConflict says that what was to be changed was changed by somebody else meanwhile.
	ErrConflict = errors.New("changed meanwhile")
	// ErrExpired says that an API key is not valid any more.
	ErrExpired = errors.New("expired")
	// ErrMalformedID says that a text is not an id of the kind asked for.
	ErrMalformedID = errors.New("malformed id")
	// ErrMalformedCursor says that a text is not a cursor that this server gave out.
	ErrMalformedCursor = errors.New("malformed cursor")
)
