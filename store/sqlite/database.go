package sqlite

import "errors"

// database is what every user of the file has of it: connections that read, and one that writes.
type database struct {
	reader *reader
	writer *writer
}

// disconnect closes the connections. The writer's goroutine must have ended.
func (d *database) disconnect() error {
	var err error
	if d.reader != nil {
		err = d.reader.close()
	}
	if d.writer != nil {
		// The last connection to go folds the log in, so it has to be one that may write.
		err = errors.Join(err, d.writer.reset())
	}
	return err
}
