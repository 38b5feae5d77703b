package gen

import "time"

// milliTimeLayout is RFC 3339 with exactly three fractional digits. Go's own RFC3339Nano drops trailing zeros, which
// would make equal moments look different in width.
const milliTimeLayout = "2006-01-02T15:04:05.000Z"

// MilliTime is a moment as the contract writes it: RFC 3339 in UTC, always with milliseconds.
type MilliTime struct{ time.Time }

// AppendText appends the moment as the contract writes it.
func (t MilliTime) AppendText(b []byte) ([]byte, error) {
	return t.UTC().AppendFormat(b, milliTimeLayout), nil
}

// String is the moment as the contract writes it.
func (t MilliTime) String() string { return t.UTC().Format(milliTimeLayout) }

// MarshalJSON writes the moment as a JSON string.
func (t MilliTime) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, len(milliTimeLayout)+2)
	b = append(b, '"')
	b = t.UTC().AppendFormat(b, milliTimeLayout)
	return append(b, '"'), nil
}
