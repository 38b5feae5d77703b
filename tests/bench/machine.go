package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// describeMachine is one line about what was measured on, without which the numbers mean nothing. It refuses a directory
// that is in memory.
func describeMachine(dir string) (string, error) {
	filesystem, err := filesystemOf(dir)
	if err != nil {
		return "", err
	}
	if filesystem == "tmpfs" || filesystem == "ramfs" {
		return "", fmt.Errorf("%s is in memory (%s), where a commit costs nothing; choose a real disk with -dir", dir, filesystem)
	}
	memory, err := procBytes("/proc/meminfo", "MemTotal")
	if err != nil {
		return "", err
	}
	cpu, err := procField("/proc/cpuinfo", "model name")
	if err != nil {
		cpu = runtime.GOARCH // ARM kernels name no model
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "", err
	}
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "", err
	}
	busy, _, _ := strings.Cut(string(load), " ")
	return fmt.Sprintf("Machine: %s, %d cores, %s memory, disk %s, Linux %s, %s, %s, load average before the run %s",
		cpu, runtime.NumCPU(), mb(memory), filesystem, strings.TrimSpace(string(kernel)), runtime.Version(),
		time.Now().UTC().Format(time.RFC3339), busy), nil
}

// procField returns the value of the first "name: value" line of a file below /proc.
func procField(file, name string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(content)) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("%s has no %s", file, name)
}

// procBytes returns a procField that is an amount of memory, in bytes. The kernel's kB are KiB.
func procBytes(file, name string) (int64, error) {
	value, err := procField(file, name)
	if err != nil {
		return 0, err
	}
	number, isKB := strings.CutSuffix(value, " kB")
	kB, err := strconv.ParseInt(number, 10, 64)
	if err != nil || !isKB {
		return 0, fmt.Errorf("%s: %s is %q, which is not an amount in kB", file, name, value)
	}
	return kB << 10, nil
}

// filesystemOf is the type of the filesystem that an absolute path is on: that of the longest mount point above it.
func filesystemOf(path string) (string, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", err
	}
	longest, kind := 0, "unknown"
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			continue
		}
		point := strings.TrimSuffix(fields[1], "/") + "/"
		if strings.HasPrefix(path+"/", point) && len(point) >= longest {
			longest, kind = len(point), fields[2]
		}
	}
	return kind, nil
}
