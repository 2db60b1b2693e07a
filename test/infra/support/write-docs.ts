import { writeFileSync } from 'node:fs'
import { madeParts, readPage } from './docs.ts'

// Makes the parts of the documentation that come from the code.
for (const part of madeParts) writeFileSync(part.page, readPage(part).made)
