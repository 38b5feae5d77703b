package postgres

import (
	"encoding/binary"
	"time"
)

// array is a one-dimensional array in PostgreSQL's binary format, written without a detour over interface values. The
// zero value is empty; reset comes first.
type array struct {
	buf   []byte
	count uint32
}

// The header: dimensions, whether there are NULLs, type of the elements, count, number of the first element.
const (
	nullsAt     = 4
	typeAt      = 8
	countAt     = 12
	firstAt     = 16
	arrayHeader = 20
)

func (a *array) reset(elementType uint32) {
	a.buf, a.count = append(a.buf[:0], make([]byte, arrayHeader)...), 0
	binary.BigEndian.PutUint32(a.buf, 1)
	binary.BigEndian.PutUint32(a.buf[typeAt:], elementType)
	binary.BigEndian.PutUint32(a.buf[firstAt:], 1)
}

func add[T string | []byte](a *array, element T) {
	a.buf = binary.BigEndian.AppendUint32(a.buf, uint32(len(element))) //nolint:gosec // elements are 1 MiB at most
	a.buf = append(a.buf, element...)
	a.count++
}

// addName adds a text, or NULL for an absent one.
func (a *array) addName(name string) {
	if name != "" {
		add(a, name)
		return
	}
	const null = 1<<32 - 1
	a.buf = binary.BigEndian.AppendUint32(a.buf, null)
	binary.BigEndian.PutUint32(a.buf[nullsAt:], 1)
	a.count++
}

func (a *array) bytes() []byte {
	binary.BigEndian.PutUint32(a.buf[countAt:], a.count)
	return a.buf
}

// epoch is where PostgreSQL begins to count microseconds.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

func formatTime(t time.Time) []byte {
	micros := t.Truncate(time.Millisecond).UnixMicro() - epoch
	return binary.BigEndian.AppendUint64(nil, uint64(micros)) //nolint:gosec // the same bits
}

func parseTime(b []byte) time.Time {
	return time.UnixMicro(int64(binary.BigEndian.Uint64(b)) + epoch) //nolint:gosec // the same bits
}
