package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/oklog/ulid/v2"
)

const eventIDPrefix = "evt_"

// EventID names an event. It is a UUIDv7 (RFC 9562): its first 48 bits are the event's creation time in milliseconds,
// so ascending ids are ascending times. Its text is "evt_" and 26 characters of Crockford's base32 in upper case,
// which sort as the ids do.
type EventID uuid.UUID

// ParseEventID reads the text of an id. It returns ErrMalformedID for everything that String does not write.
func ParseEventID(s string) (EventID, error) {
	text, ok := strings.CutPrefix(s, eventIDPrefix)
	if !ok {
		return EventID{}, ErrMalformedID
	}
	u, err := ulid.ParseStrict(text)
	// The decoder takes lower case too; one id has one text here, so that ids can be compared as strings.
	if err != nil || u.String() != text {
		return EventID{}, ErrMalformedID
	}
	return EventID(u), nil
}

// String is the id as clients see it.
func (id EventID) String() string { return formatID(eventIDPrefix, uuid.UUID(id)) }

// Time is when the event was created, in UTC with milliseconds.
func (id EventID) Time() time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(id[:8]) >> 16)).UTC()
}

// Compare orders ids as the inbox does: by creation time, then by the rest.
func (id EventID) Compare(other EventID) int { return bytes.Compare(id[:], other[:]) }

// FirstEventID is the smallest id an event created at or after t can have. Parts of a millisecond count as a whole one,
// because ids carry whole milliseconds.
func FirstEventID(t time.Time) EventID {
	ms := t.UnixMilli()
	if t.After(time.UnixMilli(ms)) {
		ms++
	}
	ms = max(0, min(ms, 1<<48-1))
	var id EventID
	binary.BigEndian.PutUint64(id[:8], uint64(ms)<<16)
	return id
}

// NewID returns the text of a fresh id with the given prefix, such as "req_".
func NewID(prefix string) string { return formatID(prefix, newUUID()) }

func formatID(prefix string, u uuid.UUID) string {
	var b [40]byte
	n := copy(b[:], prefix)
	if err := ulid.ULID(u).MarshalTextTo(b[n : n+ulid.EncodedSize]); err != nil {
		panic(fmt.Sprintf("store: prefix %q is too long for an id", prefix))
	}
	return string(b[:n+ulid.EncodedSize])
}

func newUUID() uuid.UUID {
	u, err := uuid.NewV7()
	if err != nil {
		// The system's random source failed; nothing that needs to be unguessable may go on.
		panic(fmt.Sprintf("store: no random numbers: %v", err))
	}
	return u
}

// IDSource hands out event ids in strictly ascending order, also when the wall clock steps back. An engine's writer
// owns one, so that the order of ids is the order of commits. It is not safe for concurrent use.
type IDSource struct{ last uint64 }

// NewIDSource returns a source whose ids all follow the given one: the newest that is stored, or the zero id.
func NewIDSource(newest EventID) *IDSource {
	return &IDSource{last: binary.BigEndian.Uint64(newest[:8])}
}

// Next returns the next id.
func (s *IDSource) Next() EventID {
	id := EventID(newUUID())
	head := binary.BigEndian.Uint64(id[:8])
	if head <= s.last {
		// The clock is behind what was handed out before, so count on from there. Between the 48 bits of time and
		// the 12 bits of fraction stand the 4 bits of the version, which the carry has to step over.
		head = s.last + 1
		if version := head & 0xf000; version > 0x7000 {
			head = (head>>16+1)<<16 | 0x7000
		} else if version < 0x7000 {
			head = head>>16<<16 | 0x7000
		}
		binary.BigEndian.PutUint64(id[:8], head)
	}
	s.last = head
	return id
}

// SkipTo has all further ids follow the given one. An id that is passed already changes nothing.
func (s *IDSource) SkipTo(id EventID) { s.last = max(s.last, binary.BigEndian.Uint64(id[:8])) }
