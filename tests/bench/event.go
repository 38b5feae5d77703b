package main

import (
	"fmt"
	"strings"
)

// eventBytes is the size of every event that is sent: what the budgets were set for.
const eventBytes = 350

// event is the nth event, as a producer would send it.
func event(n int) string {
	const format = `{"source":"billing","type":"invoice.paid","topic":"finance","payload":{"invoiceId":"inv_%09d",` +
		`"amount":%d,"currency":"USD","customer":{"id":"cus_%07d","email":"someone@example.com","country":"DE"},` +
		`"lines":[{"sku":"plan-pro","quantity":1},{"sku":"seat","quantity":12}],"note":"%s"}}`
	amount, customer := 1000+n%9000, n%100_000
	plain := len(fmt.Sprintf(format, n, amount, customer, ""))
	return fmt.Sprintf(format, n, amount, customer, strings.Repeat("n", max(0, eventBytes-plain)))
}
