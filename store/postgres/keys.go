package postgres

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"github.com/triggers-api/triggers/store"
)

const keyColumns = `id, tenant, name, scopes, hash, hint, created_at, expires_at, last_used_at`

// CreateKey implements store.Registry.
func (s *Store) CreateKey(ctx context.Context, k store.Key) error {
	return s.once(ctx, func(ctx context.Context) error {
		scopes := make([]string, len(k.Scopes))
		for i, scope := range k.Scopes {
			scopes[i] = string(scope)
		}
		_, err := s.pool.Exec(ctx, `INSERT INTO api_keys (`+keyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			k.ID, k.TenantID, k.Name, scopes, k.Hash[:], k.Hint, k.CreatedAt.Truncate(time.Millisecond),
			timestamp(k.ExpiresAt), timestamp(k.LastUsedAt))
		return err
	})
}

// KeyByHash implements store.Registry.
func (s *Store) KeyByHash(ctx context.Context, hash store.KeyHash) (k store.Key, err error) {
	err = s.repeatable(ctx, func(ctx context.Context) error {
		k, err = scanKey(s.pool.QueryRow(ctx, `SELECT `+keyColumns+` FROM api_keys WHERE hash = $1`, hash[:]))
		return err
	})
	return k, err
}

// Keys implements store.Registry.
func (s *Store) Keys(ctx context.Context, tenantID, after string, limit int) (keys []store.Key, err error) {
	err = s.repeatable(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `SELECT `+keyColumns+` FROM api_keys WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3`,
			tenantID, after, limit)
		if err != nil {
			return err
		}
		keys, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (store.Key, error) { return scanKey(row) })
		return err
	})
	return keys, err
}

// ExpireKey implements store.Registry.
func (s *Store) ExpireKey(ctx context.Context, tenantID, id string, at time.Time) (k store.Key, err error) {
	err = s.repeatable(ctx, func(ctx context.Context) error {
		// least passes over NULL.
		k, err = scanKey(s.pool.QueryRow(ctx, `UPDATE api_keys SET expires_at = least(expires_at, $3)
			WHERE tenant = $1 AND id = $2 RETURNING `+keyColumns, tenantID, id, at.Truncate(time.Millisecond)))
		return err
	})
	return k, err
}

// touchRows bounds one transaction of TouchKeys.
const touchRows = 500

// As transitions are: the first statement locks the rows, in the order in which they are asked for.
const (
	lockKeys = `SELECT FROM unnest($1::text[], $2::text[]) AS used (tenant, id) CROSS JOIN LATERAL (
		SELECT FROM api_keys WHERE tenant = used.tenant AND id = used.id FOR UPDATE) AS k`

	touchKeys = `UPDATE api_keys SET last_used_at = used.at
		FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS used (tenant, id, at) CROSS JOIN LATERAL (
			SELECT ctid AS place FROM api_keys
			WHERE tenant = used.tenant AND id = used.id AND (last_used_at IS NULL OR last_used_at < used.at) OFFSET 0) AS k
		WHERE api_keys.ctid = k.place`
)

// TouchKeys implements store.Registry.
func (s *Store) TouchKeys(ctx context.Context, uses []store.KeyUse) error {
	// In one order everywhere, because instances note the same keys at the same time. Of several uses of a key the last
	// one counts, and an UPDATE would take any.
	uses = slices.SortedFunc(slices.Values(uses), func(a, b store.KeyUse) int {
		return cmp.Or(strings.Compare(a.KeyID, b.KeyID), strings.Compare(a.TenantID, b.TenantID), b.At.Compare(a.At))
	})
	uses = slices.CompactFunc(uses, func(a, b store.KeyUse) bool { return a.KeyID == b.KeyID && a.TenantID == b.TenantID })
	for chunk := range slices.Chunk(uses, touchRows) {
		tenants, ids, times := make([]string, len(chunk)), make([]string, len(chunk)), make([]time.Time, len(chunk))
		for i, use := range chunk {
			tenants[i], ids[i], times[i] = use.TenantID, use.KeyID, use.At.Truncate(time.Millisecond)
		}
		err := s.repeatable(ctx, func(ctx context.Context) error {
			var batch pgx.Batch
			batch.Queue(lockKeys, tenants, ids)
			batch.Queue(touchKeys, tenants, ids, times)
			return s.pool.SendBatch(ctx, &batch).Close()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func scanKey(row pgx.Row) (k store.Key, err error) {
	var scopes []string
	var hash []byte
	err = row.Scan(&k.ID, &k.TenantID, &k.Name, &scopes, &hash, &k.Hint, &k.CreatedAt,
		(*zeronull.Timestamptz)(&k.ExpiresAt), (*zeronull.Timestamptz)(&k.LastUsedAt))
	if err != nil {
		return store.Key{}, err
	}
	for _, scope := range scopes {
		k.Scopes = append(k.Scopes, store.Scope(scope))
	}
	k.Hash = store.KeyHash(hash)
	k.CreatedAt, k.ExpiresAt, k.LastUsedAt = k.CreatedAt.UTC(), inUTC(k.ExpiresAt), inUTC(k.LastUsedAt)
	return k, nil
}
