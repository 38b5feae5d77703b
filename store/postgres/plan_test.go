package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/tests/harness"
)

// A page of the inbox reads the pending events alone, whatever the statistics say, with a history and without.
func TestPlans(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, err := Open(ctx, Options{URL: harness.SharedPostgres(t).Database(t, "plans"), AutoMigrate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	fill := func(acknowledged, pending int) {
		for _, n := range []int{acknowledged, pending} {
			events := make([]store.NewEvent, n)
			for i := range events {
				events[i] = store.NewEvent{Type: "t", Payload: json.RawMessage(`{}`)}
			}
			receipts, err := s.Append(ctx, "a", events)
			if err != nil {
				t.Fatal(err)
			}
			if n != acknowledged {
				continue
			}
			ids := make([]store.EventID, n)
			for i := range receipts {
				ids[i] = receipts[i].ID
			}
			if _, err := s.Acknowledge(ctx, "a", ids); err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func(when string) {
		query, args := listQuery(store.ListParams{TenantID: "a", Status: store.Pending, Limit: 50, MaxBytes: 2 << 20})
		filtered, filteredArgs := listQuery(store.ListParams{
			TenantID: "a", Status: store.Pending, Type: "t", Since: time.Now().Add(-time.Hour), Until: time.Now(), Limit: 50,
		})
		for _, c := range []struct {
			query string
			args  []any
			scans []string
		}{
			{query, args, []string{"events_pending on events Index Cond: ((tenant = $2) AND (id > $3))"}},
			{filtered, filteredArgs, []string{
				"events_pending on events Index Cond: ((tenant = $2) AND (id >= $3) AND (id < $4)) Filter: (type = $5)",
			}},
			{lockEvents, []any{"a", "{}"}, []string{"events_pkey on events Index Cond: ((tenant = $1) AND (id = asked.id))"}},
			{acknowledgeEvents, []any{"a", "{}", time.Now()}, []string{
				"events_pkey on events events_1 Index Cond: ((tenant = $1) AND (id = asked.id))",
			}},
			{selectIdempotencyKeys, []any{"a", "", 1}, []string{
				"idempotency_keys_pkey on idempotency_keys Index Cond: ((tenant = $1) AND (key > $2))",
			}},
			{lookForKeys, []any{"a", "", "", 1}, []string{
				"idempotency_keys_pkey on idempotency_keys Index Cond: ((tenant = $1) AND (key > $2))",
			}},
			{forgetKeys, []any{"a", "{}", ""}, []string{
				"idempotency_keys_pkey on idempotency_keys idempotency_keys_1 Index Cond: ((tenant = $1) AND (key = asked.key))",
			}},
			{lockKeys, []any{"{}", "{}"}, []string{"api_keys_tenant on api_keys Index Cond: ((tenant = used.tenant) AND (id = used.id))"}},
			{touchKeys, []any{"{}", "{}", "{}"}, []string{"api_keys_tenant on api_keys api_keys_1 Index Cond: ((tenant = used.tenant) AND (id = used.id))"}},
			{purgeEvents, []any{"a", "", 1}, []string{
				"events_pkey on events events_1 Index Cond: ((tenant = $1) AND (id < $2))",
			}},
			{expireKeys, []any{1}, []string{
				"idempotency_keys_expiry on idempotency_keys idempotency_keys_1 Index Cond: (expires_at <= now())",
			}},
			{sessionStatements["remembered"], []any{"", ""}, []string{
				"idempotency_keys_pkey on idempotency_keys Index Cond: ((tenant = asked.tenant) AND (key = asked.key))",
			}},
		} {
			plan := explain(ctx, t, s.pool, c.query, len(c.args))
			oneLine := strings.Join(strings.Fields(strings.ReplaceAll(plan, "->", "")), " ")
			if (strings.Contains(c.query, "ctid = ANY") || strings.Contains(c.query, "ctid = k.place")) && !strings.Contains(oneLine, "Tid Scan on") {
				t.Errorf("%s: not by place:\n%s\n%s", when, c.query, plan)
			}
			for _, scan := range c.scans {
				if !strings.Contains(oneLine, "Index Scan using "+scan) {
					t.Errorf("%s: not by %s:\n%s\n%s", when, scan, c.query, plan)
				}
			}
		}
	}
	analyze := func() {
		if _, err := s.pool.Exec(ctx, `ANALYZE`); err != nil {
			t.Fatal(err)
		}
	}
	check("empty")
	analyze()
	check("empty, with statistics")
	fill(5000, 100)
	check("without statistics")
	analyze()
	check("with statistics")
	if _, err := s.pool.Exec(ctx, `DELETE FROM events`); err != nil {
		t.Fatal(err)
	}
	analyze()
	check("with statistics of nothing")
	fill(2, 5000)
	check("with old statistics")
}

// explain returns the plan that a prepared statement keeps.
func explain(ctx context.Context, t *testing.T, pool *pgxpool.Pool, query string, params int) string {
	t.Helper()
	conn, err := pgx.ConnectConfig(ctx, pool.Config().ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	nulls := "(" + strings.TrimSuffix(strings.Repeat("NULL, ", params), ", ") + ")"
	simple := pgx.QueryExecModeSimpleProtocol // nothing else takes these statements
	if _, err := conn.Exec(ctx, `PREPARE explained AS `+query, simple); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", query, err))
	}
	rows, err := conn.Query(ctx, `EXPLAIN (COSTS OFF) EXECUTE explained`+nulls, simple)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}
