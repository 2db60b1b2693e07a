import { testCells } from './support/test-cells.ts'

testCells(
  'the server process is killed (-9)',
  'the server restarts (fast)',
  'the server restarts (immediate)',
)
