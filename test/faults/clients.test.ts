import { testCells } from './support/test-cells.ts'

testCells(
  'the client is killed (-9)',
  'the function freezes, and its time is over',
  'the clock of the caller is an hour ahead',
  'the clock of the caller is an hour behind',
)
