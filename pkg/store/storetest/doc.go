// Package storetest is the suite that every kind of database passes, and what a test needs to run it: an SQLite file, or a
// PostgreSQL server that the test starts from the machine's own package and that ends with the test's process, however that ends.
//
// The suite speaks to a store only through its exported methods, and to the database itself only where a test prepares what no
// method does, such as a schema that a newer version left.
package storetest
