import { testCells } from './support/test-cells.ts'

testCells(
  'serve is killed (-9)',
  'serve freezes, and wakes when another copy leads',
  'serve loses its connections',
)
