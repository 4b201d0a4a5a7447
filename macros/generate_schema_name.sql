{#- A layer's schema is named after the layer; on a cluster, which holds several programs, after both. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ return(adapter.dispatch('schema_name')(custom_schema_name, node)) }}
{%- endmacro %}
{% macro duckdb__schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
{% macro spark__schema_name(custom_schema_name, node) -%}
    {{ default__generate_schema_name(custom_schema_name, node) }}
{%- endmacro %}
