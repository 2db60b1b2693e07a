import { testCells } from './support/test-cells.ts'

testCells(
  'a lock is held for long',
  'the request comes three times',
  'one key comes with another request',
  'somebody changes everything',
)
