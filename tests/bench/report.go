package main

import (
	"fmt"
	"strings"
)

// finding is a row of the report. A finding without a budget is for information.
type finding struct{ metric, engine, measured, budget, met string }

// report is the table at the end.
type report []finding

// add adds a finding that has a budget.
func (r *report) add(metric, engine, measured, budget string, met bool) {
	verdict := "**no**"
	if met {
		verdict = "yes"
	}
	*r = append(*r, finding{metric, engine, measured, budget, verdict})
}

// addUnjudged adds a finding that was measured at another size than its budget is about.
func (r *report) addUnjudged(metric, engine, measured, budget string) {
	*r = append(*r, finding{metric, engine, measured, budget, "another size"})
}

// note adds a finding that has no budget.
func (r *report) note(metric, engine, measured string) {
	*r = append(*r, finding{metric, engine, measured, "", ""})
}

func (r *report) String() string {
	var out strings.Builder
	out.WriteString("| what | engine | measured | budget | met? |\n| --- | --- | --- | --- | --- |\n")
	for _, f := range *r {
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s |\n", f.metric, f.engine, f.measured, f.budget, f.met)
	}
	return out.String()
}
