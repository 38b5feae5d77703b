// Package store says what the rest of the server may ask of a database: the domain types, the storage interfaces, the
// errors they return, ids and cursors. It imports nothing else of this module and knows neither HTTP nor SQL; each
// engine has a package of its own below this one and passes the suite in storetest.
package store
