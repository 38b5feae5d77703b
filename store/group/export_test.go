package group

import "runtime"

// Await waits until n operations are queued.
func (w *Writer[T]) Await(n int) {
	for len(w.queue) < n {
		runtime.Gosched()
	}
}
