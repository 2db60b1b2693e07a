import { testCells } from './support/test-cells.ts'

testCells('an older version works, too', 'readers read in the other order')
