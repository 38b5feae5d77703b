package main

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

type number interface{ ~int64 | ~float64 }

// spread is what a distribution of times is reported as.
type spread struct{ p50, p95, p99 time.Duration }

func (s spread) String() string {
	return fmt.Sprintf("p50 %s  p95 %s  p99 %s", ms(s.p50), ms(s.p95), ms(s.p99))
}

func spreadOf(times []time.Duration) spread {
	sorted := slices.Sorted(slices.Values(times))
	return spread{quantile(sorted, 50), quantile(sorted, 95), quantile(sorted, 99)}
}

// quantile is the smallest value that at least the given percentage of the values do not exceed (nearest rank): a time
// that was really measured, never one between two.
func quantile(sorted []time.Duration, percent int) time.Duration {
	rank := (len(sorted)*percent + 99) / 100
	return sorted[max(rank, 1)-1]
}

// median is the middle value, or halfway between the two in the middle.
func median[T number](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// medianOf is the median of one property of the items.
func medianOf[E any, T number](items []E, property func(E) T) T {
	values := make([]T, 0, len(items))
	for _, item := range items {
		values = append(values, property(item))
	}
	return median(values)
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond)) }

func mb(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }

func perSecond(n int, took time.Duration) float64 { return float64(n) / took.Seconds() }

// grouped writes 1000000 as 1 000 000.
func grouped(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + " " + digits[i:]
	}
	return digits
}
