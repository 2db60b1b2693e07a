import { testCells } from './support/test-cells.ts'

testCells(
  'the network cuts connections',
  'the network stalls',
  'the network loses everything',
  'the network is slow',
)
