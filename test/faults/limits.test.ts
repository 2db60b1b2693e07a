import { testCells } from './support/test-cells.ts'

testCells(
  'the disk is full',
  'memory is exhausted',
  'the limit of temporary files is met',
  'all slots are taken',
)
