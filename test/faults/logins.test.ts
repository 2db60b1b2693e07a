import { testCells } from './support/test-cells.ts'

testCells('the password is rotated', 'the secret is gone', 'the secret is malformed', "the role's time-outs")
