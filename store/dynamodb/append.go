package dynamodb

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/triggers-api/triggers/store"
)

const (
	// transactionActions is how many actions a transaction can have.
	transactionActions = 100
	// transactionBytes is how much a piece of a batch may weigh; a transaction can have 4 MB.
	transactionBytes = 3 << 20
	// eventOverhead is more than all but the payload of an event and its key weigh.
	eventOverhead = 5 << 10
)

// ifAbsent is the condition of a write that makes an item.
const ifAbsent = "attribute_not_exists(" + sortKey + ")"

// draft is an event on its way into the table.
type draft struct {
	event       store.Event
	fingerprint [sha256.Size]byte // only with an idempotency key
	actions     []types.TransactWriteItem
	// made is what the idempotency key stands for, the draft itself or what came before it; outcome says which.
	made    made
	outcome store.Outcome
}

// made is what an idempotency key has made.
type made struct {
	id          store.EventID
	fingerprint [sha256.Size]byte
}

// again is the receipt for an event under a key that has made one already.
func (m made) again(fingerprint [sha256.Size]byte) store.Receipt {
	if m.fingerprint == fingerprint {
		return store.Receipt{ID: m.id, Outcome: store.Duplicate}
	}
	return store.Receipt{ID: m.id, Outcome: store.KeyReused}
}

// Append implements store.Events. An event with a key, or with a payload in parts, is stored in one transaction, and so
// are several events.
func (s *Store) Append(ctx context.Context, tenantID string, events []store.NewEvent) ([]store.Receipt, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	if err := s.noteEvents(ctx, tenantID); err != nil {
		return nil, err
	}
	drafts := make([]*draft, 0, len(events))
	draftOf := make([]*draft, len(events)) // of the first event with the same key
	byKey := map[string]*draft{}
	for i := range events {
		d := byKey[events[i].IdempotencyKey]
		if d == nil {
			d = s.draft(tenantID, &events[i])
			drafts = append(drafts, d)
			if events[i].IdempotencyKey != "" {
				byKey[events[i].IdempotencyKey] = d
			}
		}
		draftOf[i] = d
	}
	for rest := drafts; len(rest) > 0; {
		n := piece(rest)
		if err := s.commit(ctx, rest[:n]); err != nil {
			return nil, err
		}
		rest = rest[n:]
	}
	receipts := make([]store.Receipt, len(events))
	answered := make(map[*draft]bool, len(drafts))
	for i, d := range draftOf {
		if answered[d] {
			receipts[i] = d.made.again(events[i].Fingerprint())
			continue
		}
		answered[d] = true
		receipts[i] = store.Receipt{ID: d.made.id, Outcome: d.outcome}
	}
	return receipts, nil
}

func (s *Store) draft(tenantID string, e *store.NewEvent) *draft {
	d := &draft{event: store.Event{
		ID: s.nextID(), Source: e.Source, Type: e.Type, Topic: e.Topic, Payload: e.Payload,
		IdempotencyKey: e.IdempotencyKey, Status: store.Pending,
	}}
	own, parts := eventItems(tenantID, &d.event, s.retention(tenantID))
	// The id is new, so it exists only if an earlier attempt got through. Without the condition a late attempt would
	// bring back an event that was acknowledged or deleted meanwhile.
	d.actions = append(d.actions, types.TransactWriteItem{Put: &types.Put{
		TableName: s.ref(), Item: own, ConditionExpression: aws.String(ifAbsent),
	}})
	for _, part := range parts {
		d.actions = append(d.actions, types.TransactWriteItem{Put: &types.Put{TableName: s.ref(), Item: part}})
	}
	d.made.id = d.event.ID
	if e.IdempotencyKey != "" {
		d.fingerprint = e.Fingerprint()
		d.made.fingerprint = d.fingerprint
		now := time.Now()
		d.actions = append(d.actions, types.TransactWriteItem{Put: &types.Put{
			TableName: s.ref(),
			Item: rememberedItem(tenantID, &store.IdempotencyKey{
				Key: e.IdempotencyKey, EventID: d.event.ID, Fingerprint: d.fingerprint, ExpiresAt: now.Add(s.ttl),
			}),
			ConditionExpression:                 aws.String(ifAbsent + " OR " + rememberedUntil + " <= :now"),
			ExpressionAttributeValues:           item{":now": millis(now)},
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		}})
	}
	return d
}

// piece is how many of the drafts go into one transaction.
func piece(drafts []*draft) int {
	actions, bytes := 0, 0
	for i, d := range drafts {
		actions += len(d.actions)
		bytes += len(d.event.Payload) + eventOverhead
		if i > 0 && (actions > transactionActions || bytes > transactionBytes) {
			return i
		}
	}
	return len(drafts)
}

// commit stores the drafts, all or none, but those whose key has made an event already.
func (s *Store) commit(ctx context.Context, drafts []*draft) error {
	for len(drafts) > 0 {
		if len(drafts) == 1 && len(drafts[0].actions) == 1 {
			return s.putNew(ctx, drafts[0].actions[0].Put)
		}
		var actions []types.TransactWriteItem
		for _, d := range drafts {
			actions = append(actions, d.actions...)
		}
		refused, err := s.change(ctx, actions...)
		if refused == nil {
			return err
		}
		rest, stored := settle(drafts, refused)
		if stored {
			return nil
		}
		if len(rest) == len(drafts) {
			return errors.New("dynamodb: an idempotency key is taken by an item that cannot be read")
		}
		drafts = rest
	}
	return nil
}

// putNew stores an event of one item, at half the price of a transaction.
func (s *Store) putNew(ctx context.Context, p *types.Put) error {
	_, err := s.api.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: p.TableName, Item: p.Item, ConditionExpression: p.ConditionExpression,
	})
	if _, exists := errors.AsType[*types.ConditionalCheckFailedException](err); exists {
		return nil
	}
	return s.failed(err)
}

// settle answers the drafts whose keys made the transaction fail and returns the rest. The transaction is stored after
// all if an event of its own, or a key that names one, is in the table: then an earlier attempt got through, and its
// answer was lost.
func settle(drafts []*draft, reasons []types.CancellationReason) (rest []*draft, stored bool) {
	first := 0
	for _, d := range drafts {
		own := reasons[first : first+len(d.actions)]
		first += len(d.actions)
		if refusedBy(own[0]) {
			return nil, true
		}
		last := own[len(own)-1]
		if !refusedBy(last) {
			rest = append(rest, d)
			continue
		}
		remembered, err := rememberedOf(last.Item)
		if err != nil {
			rest = append(rest, d)
			continue
		}
		if remembered.EventID == d.event.ID {
			return nil, true
		}
		d.made = made{remembered.EventID, remembered.Fingerprint}
		d.outcome = d.made.again(d.fingerprint).Outcome
	}
	return rest, false
}
