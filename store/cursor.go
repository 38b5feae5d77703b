package store

import (
	"strings"
	"time"
)

const cursorLayout = "2006-01-02T15:04:05.000Z"

// Cursor is a place in a list of events: just after the event with this id. It stays valid when that event changes or
// goes away. Its text is "createdAt|id".
type Cursor struct{ ID EventID }

// ParseCursor reads the text of a cursor; the time may be in any form of RFC 3339. It returns ErrMalformedCursor when the
// time is not the id's, so that a cursor put together by hand cannot skip events unnoticed.
func ParseCursor(s string) (Cursor, error) {
	at, text, ok := strings.Cut(s, "|")
	if !ok {
		return Cursor{}, ErrMalformedCursor
	}
	id, err := ParseEventID(text)
	if err != nil {
		return Cursor{}, ErrMalformedCursor
	}
	t, err := time.Parse(time.RFC3339Nano, at)
	if err != nil || !t.Equal(id.Time()) {
		return Cursor{}, ErrMalformedCursor
	}
	return Cursor{ID: id}, nil
}

// String is the cursor as clients see it.
func (c Cursor) String() string {
	return c.ID.Time().Format(cursorLayout) + "|" + c.ID.String()
}
