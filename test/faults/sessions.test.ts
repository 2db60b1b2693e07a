import { testCells } from './support/test-cells.ts'

testCells('pg_terminate_backend', 'pg_cancel_backend', 'pg_cancel_backend, twice')
