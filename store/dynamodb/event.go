package dynamodb

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/triggers-api/triggers/store"
)

// The attributes of an event beside its key.
const (
	// placeAttribute is the sort key of statusIndex: the status and the id, which begins with the time.
	placeAttribute        = "status_createdAt"
	sourceAttribute       = "source"
	typeAttribute         = "type"
	topicAttribute        = "topic"
	payloadAttribute      = "payload"
	sizeAttribute         = "size"  // of the whole payload in bytes
	partsAttribute        = "parts" // how many further items have the rest of the payload; absent for none
	idempotencyAttribute  = "idempotencyKey"
	acknowledgedAttribute = "acknowledgedAt"
	deletedAttribute      = "deletedAt"
)

const (
	// partBytes is how much of a payload one item has. An item has at most 400 KB, names of attributes included.
	partBytes = 350 << 10
	// maxParts is how many further items the largest payload has.
	maxParts = (1<<20 - 1) / partBytes
)

// readAttempts is how many times an event is read anew that changes while it is read. It can change twice.
const readAttempts = 4

// place is what placeAttribute says.
func place(status store.Status, id store.EventID) string { return string(status) + "#" + id.String() }

// statusOf is the status of an event's item.
func statusOf(it item) store.Status {
	status, _, _ := strings.Cut(textOf(it, placeAttribute), "#")
	return store.Status(status)
}

func partKey(tenantID string, id store.EventID, n int) item {
	return key(tenantID, partPrefix+id.String()+"#"+strconv.Itoa(n))
}

// eventItems are the items of an event: its own, and those of the rest of a large payload.
func eventItems(tenantID string, e *store.Event, retention time.Duration) (own item, parts []item) {
	own = key(tenantID, e.ID.String())
	own[placeAttribute] = text(place(e.Status, e.ID))
	own[sizeAttribute] = number(int64(len(e.Payload)))
	setText(own, sourceAttribute, e.Source)
	setText(own, typeAttribute, e.Type)
	setText(own, topicAttribute, e.Topic)
	setText(own, idempotencyAttribute, e.IdempotencyKey)
	setTime(own, acknowledgedAttribute, e.AcknowledgedAt)
	setTime(own, deletedAttribute, e.DeletedAt)
	rest := e.Payload
	if len(rest) > 0 {
		n := min(len(rest), partBytes)
		own[payloadAttribute] = binary(rest[:n])
		rest = rest[n:]
	}
	for len(rest) > 0 {
		n := min(len(rest), partBytes)
		part := partKey(tenantID, e.ID, len(parts)+1)
		part[payloadAttribute] = binary(rest[:n])
		parts = append(parts, part)
		rest = rest[n:]
	}
	if len(parts) > 0 {
		own[partsAttribute] = number(int64(len(parts)))
	}
	if retention > 0 {
		expires := ttl(e.CreatedAt().Add(retention))
		own[expiresAt] = expires
		for _, part := range parts {
			part[expiresAt] = expires
		}
	}
	return own, parts
}

// eventOf is the event of its own item, with as much of the payload as is in it.
func eventOf(it item) (store.Event, error) {
	id, err := store.ParseEventID(textOf(it, sortKey))
	if err != nil {
		return store.Event{}, fmt.Errorf("dynamodb: an event with a broken key: %w", err)
	}
	return store.Event{
		ID: id, Source: textOf(it, sourceAttribute), Type: textOf(it, typeAttribute), Topic: textOf(it, topicAttribute),
		Payload: binaryOf(it, payloadAttribute), IdempotencyKey: textOf(it, idempotencyAttribute), Status: statusOf(it),
		AcknowledgedAt: timeOf(it, acknowledgedAttribute), DeletedAt: timeOf(it, deletedAttribute),
	}, nil
}

// Event implements store.Events.
func (s *Store) Event(ctx context.Context, tenantID string, id store.EventID) (store.Event, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return store.Event{}, err
	}
	defer end()
	return s.event(ctx, tenantID, id)
}

func (s *Store) event(ctx context.Context, tenantID string, id store.EventID) (store.Event, error) {
	for range readAttempts {
		out, err := s.api.GetItem(ctx, &dynamodb.GetItemInput{
			TableName: s.ref(), Key: key(tenantID, id.String()), ConsistentRead: aws.Bool(true),
		})
		if err != nil {
			return store.Event{}, s.failed(err)
		}
		if len(out.Item) == 0 || gone(out.Item, time.Now()) {
			return store.Event{}, fmt.Errorf("dynamodb: event %s: %w", id, store.ErrNotFound)
		}
		e, err := eventOf(out.Item)
		if err != nil {
			return store.Event{}, err
		}
		complete, err := s.addParts(ctx, tenantID, &e, int(numberOf(out.Item, partsAttribute)))
		if complete || err != nil {
			return e, err
		}
	}
	return store.Event{}, fmt.Errorf("dynamodb: %w: event %s: parts of its payload are not there", store.ErrUnavailable, id)
}

// addParts adds the rest of a payload. It is not complete when the event was deleted or purged since it was read.
func (s *Store) addParts(ctx context.Context, tenantID string, e *store.Event, n int) (complete bool, err error) {
	if n == 0 {
		return true, nil
	}
	keys := make([]item, n)
	for i := range keys {
		keys[i] = partKey(tenantID, e.ID, i+1)
	}
	found, err := s.read(ctx, keys)
	if err != nil {
		return false, err
	}
	for _, k := range keys {
		part, ok := found[textOf(k, sortKey)]
		if !ok {
			return false, nil
		}
		e.Payload = append(e.Payload, binaryOf(part, payloadAttribute)...)
	}
	return true, nil
}
