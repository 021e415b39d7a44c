import { render } from 'preact';
import { openPage } from './page.ts';
import { PageContext } from './state/store.ts';
import { App } from './view/app.tsx';

render(
  <PageContext.Provider value={openPage(window)}>
    <App />
  </PageContext.Provider>,
  document.body,
);
