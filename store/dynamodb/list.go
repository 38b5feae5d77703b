package dynamodb

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/triggers-api/triggers/store"
)

// Where a filter drops entries of the index, the first query looks at firstStride of them and each further one at twice as
// many, up to what one query looks at anyway (1 MB), so that a filter that matches little takes few queries.
const (
	firstStride = 1000
	maxStride   = 1 << 14
)

// List implements store.Events. The index says which events to look at, and the table what they are now, so that an
// event is never shown in a status that it no longer has.
func (s *Store) List(ctx context.Context, p store.ListParams) (store.Page, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return store.Page{}, err
	}
	defer end()
	page := store.Page{Events: make([]store.Event, 0, min(p.Limit, 64))}
	from, to, some := bounds(&p)
	if !some {
		return page, nil
	}
	c := s.candidates(&p, from, to)
	for bytes := 0; ; {
		budget := math.MaxInt
		if p.MaxBytes > 0 {
			budget = p.MaxBytes - bytes
		}
		// One more than the page holds tells whether there are more.
		next, err := c.next(ctx, p.Limit-len(page.Events)+1, budget)
		if err != nil || len(next) == 0 {
			return page, err
		}
		now, err := s.current(ctx, &p, next)
		if err != nil {
			return store.Page{}, err
		}
		for _, it := range now {
			if len(page.Events) == p.Limit || (p.MaxBytes > 0 && bytes >= p.MaxBytes) {
				page.More = true
				return page, nil
			}
			e, ok, err := s.listed(ctx, &p, it)
			if err != nil {
				return store.Page{}, err
			}
			if ok {
				page.Events = append(page.Events, e)
				bytes += len(e.Payload)
			}
		}
	}
}

// current are the items of those candidates that still have the status asked for, in their order.
func (s *Store) current(ctx context.Context, p *store.ListParams, candidates []candidate) ([]item, error) {
	keys := make([]item, len(candidates))
	for i := range candidates {
		keys[i] = key(p.TenantID, candidates[i].id)
	}
	found, err := s.read(ctx, keys)
	if err != nil {
		return nil, err
	}
	items := make([]item, 0, len(found))
	now := time.Now()
	for _, c := range candidates {
		if it, ok := found[c.id]; ok && statusOf(it) == p.Status && !gone(it, now) {
			items = append(items, it)
		}
	}
	return items, nil
}

// listed is the event of an item with all of its payload, if it still has the status listed when that is read.
func (s *Store) listed(ctx context.Context, p *store.ListParams, it item) (e store.Event, ok bool, err error) {
	e, err = eventOf(it)
	if err != nil {
		return e, false, err
	}
	complete, err := s.addParts(ctx, p.TenantID, &e, int(numberOf(it, partsAttribute)))
	// What is not complete was deleted or purged meanwhile.
	return e, complete, err
}

// candidate is an event that the index has in the status asked for.
type candidate struct {
	id   string
	size int // of its payload
}

// candidates walks along the index.
type candidates struct {
	table
	query dynamodb.QueryInput
	ahead []candidate // found and not handed out yet
	done  bool        // there are no others
	// stride is how many entries the next query looks at if there is a filter.
	stride int
}

// bounds are the places in the index between which the events asked for are, both included. Times are bounds on ids,
// because an id begins with its time. There may be none.
func bounds(p *store.ListParams) (from, to string, some bool) {
	first, ok := successor(p.After.ID)
	if since := store.FirstEventID(p.Since); !p.Since.IsZero() && since.Compare(first) > 0 {
		first = since
	}
	last := lastID
	if !p.Until.IsZero() {
		var before bool
		last, before = predecessor(store.FirstEventID(p.Until))
		ok = ok && before
	}
	// A condition with its bounds the wrong way round would be refused.
	return place(p.Status, first), place(p.Status, last), ok && first.Compare(last) <= 0
}

func (s *Store) candidates(p *store.ListParams, from, to string) *candidates {
	c := &candidates{table: s.table, stride: firstStride, query: dynamodb.QueryInput{
		TableName: s.ref(), IndexName: aws.String(statusIndex),
		KeyConditionExpression:    aws.String(partitionKey + " = :tenant AND " + placeAttribute + " BETWEEN :from AND :to"),
		ExpressionAttributeValues: item{":tenant": text(p.TenantID), ":from": text(from), ":to": text(to)},
		ProjectionExpression:      aws.String(sortKey + ", #" + sizeAttribute),
		ExpressionAttributeNames:  names(sizeAttribute),
	}}
	var filters []string
	for _, f := range [...]struct{ attribute, value string }{
		{sourceAttribute, p.Source}, {typeAttribute, p.Type}, {topicAttribute, p.Topic},
	} {
		if f.value != "" {
			filters = append(filters, "#"+f.attribute+" = :"+f.attribute)
			c.query.ExpressionAttributeNames["#"+f.attribute] = f.attribute
			c.query.ExpressionAttributeValues[":"+f.attribute] = text(f.value)
		}
	}
	if len(filters) > 0 {
		c.query.FilterExpression = aws.String(strings.Join(filters, " AND "))
	}
	return c
}

// next returns at most n candidates, and at least one if there is one: as many as begin within the budget of payload
// bytes, and one more. They are no more than can be read at once.
func (c *candidates) next(ctx context.Context, n, budget int) ([]candidate, error) {
	for len(c.ahead) < min(n, readBatch) && !c.done {
		if err := c.look(ctx, n-len(c.ahead)); err != nil {
			return nil, err
		}
	}
	n = min(n, readBatch)
	taken, bytes := 0, 0
	for taken < min(n, len(c.ahead)) {
		over := bytes >= budget
		bytes += c.ahead[taken].size
		taken++
		if over {
			break
		}
	}
	next := c.ahead[:taken]
	c.ahead = c.ahead[taken:]
	return next, nil
}

// look asks the index for what follows.
func (c *candidates) look(ctx context.Context, n int) error {
	if c.query.FilterExpression != nil {
		n = c.stride
		c.stride = min(2*c.stride, maxStride)
	}
	c.query.Limit = aws.Int32(int32(n)) //nolint:gosec // a page of a list
	out, err := c.api.Query(ctx, &c.query)
	if err != nil {
		return c.failed(err)
	}
	for _, it := range out.Items {
		c.ahead = append(c.ahead, candidate{textOf(it, sortKey), int(numberOf(it, sizeAttribute))})
	}
	c.query.ExclusiveStartKey = out.LastEvaluatedKey
	c.done = len(out.LastEvaluatedKey) == 0
	return nil
}
