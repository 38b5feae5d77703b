package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/triggers-api/triggers/store"
)

const (
	// purgeEvery is how often the store is looked through for what has outlived its time.
	purgeEvery = time.Minute
	// purgePause lets other writers go first between two steps.
	purgePause = 20 * time.Millisecond
	// purgeTimeout bounds one step.
	purgeTimeout = 30 * time.Second
)

// startRetention purges in the background. The function it returns stops it and waits for that.
func startRetention(purger store.Purger, retention time.Duration, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			pause := purgeEvery
			if more, err := purgeStep(ctx, purger, retention); err != nil && ctx.Err() == nil {
				log.Warn("retention: purge failed, will try again", "error", err.Error())
			} else if more {
				pause = purgePause
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

func purgeStep(ctx context.Context, purger store.Purger, retention time.Duration) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, purgeTimeout)
	defer cancel()
	var before time.Time
	if retention > 0 {
		before = time.Now().Add(-retention)
	}
	return purger.Purge(ctx, before)
}
