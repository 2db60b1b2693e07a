// A file of its own, so that the code that plots is loaded only by a page that plots.
export { default as Plotter } from 'uplot'
