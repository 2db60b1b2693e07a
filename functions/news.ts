import { readConfiguration } from '../src/api/lambda/configuration.ts'
import { eventFunction } from '../src/api/lambda/function.ts'
import { answerNews } from '../src/api/lambda/news.ts'

/** Hands out what waits for people and programs to `send`, which cannot reach the database. */
export const handler = eventFunction((event) => answerNews(event, readConfiguration()))
