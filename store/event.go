package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"slices"
	"time"
)

// Status is where an event is in its life: pending → acknowledged | deleted, acknowledged → deleted.
type Status string

// The statuses of an event.
const (
	Pending      Status = "pending"      // in the inbox
	Acknowledged Status = "acknowledged" // a consumer took it
	Deleted      Status = "deleted"      // a tombstone without payload
)

var statuses = [...]Status{Pending, Acknowledged, Deleted}

// Number stands for the status in databases that keep numbers, for good; it is -1 for what is no status.
func (s Status) Number() int { return slices.Index(statuses[:], s) }

// StatusOf returns the status with a number that Number gave.
func StatusOf(number int) Status { return statuses[number] }

// NewEvent is an event that asks to be stored. Source, Type and Topic are optional; empty means absent. Payload is one
// JSON object, kept byte for byte. An IdempotencyKey makes at most one event per tenant while it is remembered.
type NewEvent struct {
	Source, Type, Topic string
	Payload             json.RawMessage
	IdempotencyKey      string
}

// Fingerprint tells whether two events sent under one idempotency key are the same. It covers every field but the key.
func (e *NewEvent) Fingerprint() [sha256.Size]byte {
	h := sha256.New()
	var n [8]byte
	for _, part := range [...]string{e.Source, e.Type, e.Topic} {
		// Lengths keep ("ab", "c") and ("a", "bc") apart.
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write([]byte(part))
	}
	h.Write(e.Payload)
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	return sum
}

// Outcome is what became of an event that asked to be stored.
type Outcome int

// The outcomes of an append.
const (
	Accepted  Outcome = iota // stored now
	Duplicate                // its idempotency key already made this very event
	KeyReused                // its idempotency key already made another event
)

// Receipt answers a NewEvent. ID is the stored event's: the new one's, or the earlier one's that the key names.
type Receipt struct {
	ID      EventID
	Outcome Outcome
}

// Event is a stored event. Times are UTC with milliseconds; AcknowledgedAt and DeletedAt are zero until they happen. A
// deleted event has neither Payload nor IdempotencyKey.
type Event struct {
	ID                        EventID
	Source, Type, Topic       string
	Payload                   json.RawMessage
	IdempotencyKey            string
	Status                    Status
	AcknowledgedAt, DeletedAt time.Time
}

// CreatedAt is when the event was accepted, in UTC with milliseconds.
func (e *Event) CreatedAt() time.Time { return e.ID.Time() }

// Transition answers a request to acknowledge or delete one event. Err is nil, ErrNotFound or ErrDeleted; Status is the
// event's status afterwards, empty when there is no such event.
type Transition struct {
	ID     EventID
	Status Status
	Err    error
}
