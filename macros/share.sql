{#- A part as a fraction of a whole, 0 to 1; NULL where the whole is 0 or NULL. -#}
{% macro share(part, whole) -%}
    round(coalesce({{ part }}, 0) / nullif({{ whole }}, 0), 4)
{%- endmacro %}
