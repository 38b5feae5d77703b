package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/triggers-api/triggers/store"
)

const keyColumns = `id, tenant, name, scopes, hash, hint, created_at, expires_at, last_used_at`

// CreateKey implements store.Registry.
func (d *database) CreateKey(ctx context.Context, k store.Key) error {
	return d.register(ctx, "key "+k.ID, func(tx *session) (error, error) {
		if found, err := tx.hasTenant(k.TenantID); err != nil || !found {
			return store.ErrNotFound, err
		}
		n, err := tx.exec(`INSERT INTO api_keys (`+keyColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			k.ID, k.TenantID, k.Name, joinScopes(k.Scopes), k.Hash[:], k.Hint,
			k.CreatedAt.UnixMilli(), optionalTime(k.ExpiresAt), optionalTime(k.LastUsedAt))
		if n == 0 {
			return store.ErrExists, err
		}
		return nil, err
	})
}

// KeyByHash implements store.Registry.
func (d *database) KeyByHash(ctx context.Context, hash store.KeyHash) (store.Key, error) {
	return readOne(ctx, d.reader, "key", scanKey, `SELECT `+keyColumns+` FROM api_keys WHERE hash = ?`, hash[:])
}

// Keys implements store.Registry.
func (d *database) Keys(ctx context.Context, tenantID, after string, limit int) ([]store.Key, error) {
	return readAll(ctx, d.reader, scanKey, `SELECT `+keyColumns+` FROM api_keys WHERE tenant = ? AND id > ? ORDER BY id LIMIT ?`,
		tenantID, after, limit)
}

// ExpireKey implements store.Registry.
func (d *database) ExpireKey(ctx context.Context, tenantID, id string, at time.Time) (store.Key, error) {
	var k store.Key
	err := d.register(ctx, "key "+id, func(tx *session) (refusal, err error) {
		k, err = scanKey(tx.queryRow(`UPDATE api_keys SET expires_at = min(coalesce(expires_at, ?1), ?1)
			WHERE tenant = ?2 AND id = ?3 RETURNING `+keyColumns, at.UnixMilli(), tenantID, id))
		if errors.Is(err, sql.ErrNoRows) {
			return store.ErrNotFound, nil
		}
		return nil, err
	})
	if err != nil {
		return store.Key{}, err
	}
	return k, nil
}

// TouchKeys implements store.Registry.
func (d *database) TouchKeys(ctx context.Context, uses []store.KeyUse) error {
	for step := range slices.Chunk(uses, stepRows) {
		err := d.writer.Do(ctx, len(step), func(tx *session) error {
			_, err := tx.repeat(`UPDATE api_keys SET last_used_at = ?1
				WHERE tenant = ?2 AND id = ?3 AND coalesce(last_used_at < ?1, TRUE)`, func(yield func([]any) bool) {
				for _, u := range step {
					if !yield([]any{u.At.UnixMilli(), u.TenantID, u.KeyID}) {
						return
					}
				}
			})
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Scopes hold no spaces, so they are stored with spaces between them.
func joinScopes(scopes []store.Scope) string {
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = string(s)
	}
	return strings.Join(names, " ")
}

func splitScopes(text string) (scopes []store.Scope) {
	for name := range strings.FieldsSeq(text) {
		scopes = append(scopes, store.Scope(name))
	}
	return scopes
}

func scanKey(row scanner) (store.Key, error) {
	var (
		k                      store.Key
		scopes                 string
		hash                   []byte
		created, expires, used sql.NullInt64
	)
	err := row.Scan(&k.ID, &k.TenantID, &k.Name, &scopes, &hash, &k.Hint, &created, &expires, &used)
	if err != nil {
		return store.Key{}, err
	}
	k.Scopes, k.Hash = splitScopes(scopes), store.KeyHash(hash)
	k.CreatedAt, k.ExpiresAt, k.LastUsedAt = milliTime(created), milliTime(expires), milliTime(used)
	return k, nil
}
