package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/triggers-api/triggers/store"
)

// appending is the number of the advisory lock that whoever assigns event ids holds until its commit, in whatever
// process it is. So the order of ids is the order of commits.
const appending = "8247625214993840698"

const (
	lockAppending = `SELECT pg_advisory_xact_lock(` + appending + `)`
	// Not now(), which is when the transaction began to wait for its turn.
	selectNewest = `SELECT last_value, clock_timestamp() FROM newest_event`
)

// sessionStatements are prepared when a session begins, by their names.
var sessionStatements = map[string]string{
	"begin":   `BEGIN`,
	"lock":    lockAppending,
	"newest":  selectNewest,
	"advance": `SELECT setval('newest_event', $1)`,
	"commit":  `COMMIT`,

	"remembered": `SELECT asked.n, k.event_id, k.fingerprint, k.expires_at
		FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (tenant, key, n)
		CROSS JOIN LATERAL (
			SELECT * FROM idempotency_keys WHERE tenant = asked.tenant AND key = asked.key
			OFFSET 0 -- no join of equals, of which either side may come first, but a look-up for each
		) AS k`,

	"insert events": `INSERT INTO events (tenant, id, source, type, topic, idempotency_key, status, payload)
		SELECT tenant, id, source, type, topic, key, 0, payload
		FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[])
			AS new (tenant, id, source, type, topic, key, payload)`,

	// Keys that are there have expired, or were looked up.
	"insert keys": `INSERT INTO idempotency_keys (tenant, key, event_id, fingerprint, expires_at)
		SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::bytea[], $5::timestamptz[])
		ON CONFLICT (tenant, key) DO UPDATE
		SET event_id = excluded.event_id, fingerprint = excluded.fingerprint, expires_at = excluded.expires_at`,
}

// session is the writer's connection and what it needs for one group of appends at a time. It speaks the protocol one
// layer below pgx, because what an event costs here is most of what it costs at all. Only the writer's goroutine touches
// it.
type session struct {
	conn *pgconn.PgConn
	ttl  time.Duration

	// The columns that the statements take as parameters, in their order; kept for their memory.
	asked, events, keys []array
}

// keyRef names an idempotency key.
type keyRef struct{ tenant, key string }

// remembered is what is known of an idempotency key.
type remembered struct {
	event       store.EventID
	fingerprint [sha256.Size]byte
}

func openSession(ctx context.Context, config *pgconn.Config, ttl time.Duration) (*session, error) {
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	s := &session{conn: conn, ttl: ttl, asked: make([]array, 2), events: make([]array, 7), keys: make([]array, 5)}
	for name, sql := range sessionStatements {
		if _, err := conn.Prepare(ctx, name, sql, nil); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

// close ends the connection, which takes back what was not committed.
func (s *session) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.conn.Close(ctx) // nothing is pending
}

// write applies the appends in one transaction and two round trips. It tells beside an error whether nothing was committed
// for certain. After an error the session has to be closed.
func (s *session) write(ctx context.Context, ops []*operation) (undone bool, err error) {
	found, err := s.begin(ctx, ops)
	if err != nil {
		return true, err
	}
	last := s.fill(ops, found)
	var batch pgconn.Batch
	if s.events[0].count > 0 {
		batch.ExecPrepared("insert events", values(s.events), binaryFormat, nil)
		batch.ExecPrepared("advance", [][]byte{last[:8]}, binaryFormat, nil)
	}
	if s.keys[0].count > 0 {
		batch.ExecPrepared("insert keys", values(s.keys), binaryFormat, nil)
	}
	batch.ExecPrepared("commit", nil, nil, nil)
	results, err := s.conn.ExecBatch(ctx, &batch).ReadAll()
	if err != nil {
		return refused(results, err), err
	}
	if !committed(results[len(results)-1]) {
		return false, errors.New("the server did not commit") // it answers so when it rolls back instead
	}
	return false, nil
}

var binaryFormat = []int16{pgtype.BinaryFormatCode} // of all parameters, or all columns

// found is what a group finds when it is its turn.
type found struct {
	newest store.EventID // the id handed out last: its first half, which is time, version and fraction
	now    time.Time     // by the server's clock, which is the same for all instances
	known  map[keyRef]remembered
}

// begin begins the transaction, takes the lock and reads under it what ids have to follow, the time, and which of the
// group's idempotency keys are remembered.
func (s *session) begin(ctx context.Context, ops []*operation) (found, error) {
	resetAll(s.asked, pgtype.TextOID, pgtype.TextOID)
	var asked []keyRef
	for _, op := range ops {
		for i := range op.events {
			if key := op.events[i].IdempotencyKey; key != "" {
				asked = append(asked, keyRef{op.tenant, key})
				add(&s.asked[0], op.tenant)
				add(&s.asked[1], key)
			}
		}
	}
	var batch pgconn.Batch
	batch.ExecPrepared("begin", nil, nil, nil)
	batch.ExecPrepared("lock", nil, nil, nil)
	batch.ExecPrepared("newest", nil, nil, binaryFormat)
	const newestResult, rememberedResult = 2, 3
	if len(asked) > 0 {
		batch.ExecPrepared("remembered", values(s.asked), binaryFormat, binaryFormat)
	}
	results, err := s.conn.ExecBatch(ctx, &batch).ReadAll()
	if err != nil {
		return found{}, err
	}
	if len(results[newestResult].Rows) != 1 {
		return found{}, errors.New("newest_event has no value")
	}
	row := results[newestResult].Rows[0]
	f := found{now: parseTime(row[1])}
	copy(f.newest[:], row[0])
	if len(asked) == 0 {
		return f, nil
	}
	f.known = make(map[keyRef]remembered, len(asked))
	for _, row := range results[rememberedResult].Rows {
		if parseTime(row[3]).After(f.now) {
			f.known[asked[binary.BigEndian.Uint64(row[0])-1]] = remembered{store.EventID(row[1]), [sha256.Size]byte(row[2])}
		}
	}
	return f, nil
}

// fill answers the group's receipts, puts what is new into the columns, and returns the newest id.
func (s *session) fill(ops []*operation, f found) (last store.EventID) {
	resetAll(s.events, pgtype.TextOID, pgtype.UUIDOID, pgtype.TextOID, pgtype.TextOID, pgtype.TextOID, pgtype.TextOID, pgtype.ByteaOID)
	resetAll(s.keys, pgtype.TextOID, pgtype.TextOID, pgtype.UUIDOID, pgtype.ByteaOID, pgtype.TimestamptzOID)
	ids, expires := store.NewIDSource(f.newest), formatTime(f.now.Add(s.ttl))
	for _, op := range ops {
		for i := range op.events {
			e := &op.events[i]
			if e.IdempotencyKey == "" {
				last = ids.Next()
				s.addEvent(op.tenant, last, e)
				op.receipts[i] = store.Receipt{ID: last, Outcome: store.Accepted}
				continue
			}
			key, fingerprint := keyRef{op.tenant, e.IdempotencyKey}, e.Fingerprint()
			if earlier, known := f.known[key]; known {
				op.receipts[i] = store.Receipt{ID: earlier.event, Outcome: store.Duplicate}
				if earlier.fingerprint != fingerprint {
					op.receipts[i].Outcome = store.KeyReused
				}
				continue
			}
			last = ids.Next()
			s.addEvent(op.tenant, last, e)
			s.addKey(key, last, fingerprint[:], expires)
			f.known[key] = remembered{last, fingerprint}
			op.receipts[i] = store.Receipt{ID: last, Outcome: store.Accepted}
		}
	}
	return last
}

func (s *session) addEvent(tenant string, id store.EventID, e *store.NewEvent) {
	add(&s.events[0], tenant)
	add(&s.events[1], id[:])
	s.events[2].addName(e.Source)
	s.events[3].addName(e.Type)
	s.events[4].addName(e.Topic)
	s.events[5].addName(e.IdempotencyKey)
	add(&s.events[6], []byte(e.Payload))
}

func (s *session) addKey(key keyRef, id store.EventID, fingerprint, expires []byte) {
	add(&s.keys[0], key.tenant)
	add(&s.keys[1], key.key)
	add(&s.keys[2], id[:])
	add(&s.keys[3], fingerprint)
	add(&s.keys[4], expires)
}

func resetAll(columns []array, types ...uint32) {
	for i := range columns {
		columns[i].reset(types[i])
	}
}

func values(columns []array) [][]byte {
	values := make([][]byte, len(columns))
	for i := range columns {
		values[i] = columns[i].bytes()
	}
	return values
}

// columnMemory is what the session keeps for its parameters from one group to the next.
const columnMemory = 16 << 20

// trim gives back the memory of an unusually large group.
func (s *session) trim() {
	if payloads := &s.events[len(s.events)-1]; cap(payloads.buf) > columnMemory {
		payloads.buf = nil
	}
}
