"""Charts of the Evaluation page: an evaluation in, an alt.Chart out, and the sentence above it; no Streamlit."""
