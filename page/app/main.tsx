import { tokenHeader } from './api/token.ts'

const target = await (await fetch('/page.json', { headers: tokenHeader })).text()
document.getElementById('page')!.textContent = target
