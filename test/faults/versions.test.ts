import { testCells } from './support/test-cells.ts'

testCells('readers read in the other order')
